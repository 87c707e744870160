// Without JavaScript: readable, and every form works.
import assert from 'node:assert/strict';
import { asCustomer, asOperator, open } from '../lib/browser.mjs';
import { noOverflow } from '../lib/checks.mjs';

export async function an_order_is_placed_without_javascript(chrome, shop) {
  const page = await open(chrome, shop, { javaScriptEnabled: false });
  await asCustomer(page, shop, '/shop');
  await page.locator('#q').fill('tambourine');
  await page.getByRole('button', { name: 'Search' }).click();
  await page.waitForURL(/q=tambourine/);
  await page.getByRole('button', { name: 'Add: Tambourine' }).click();
  await page.locator('#place .lines input').fill('2');
  await page.getByRole('button', { name: 'Reckon again' }).click();
  // The sum stood there before too, of one piece.
  await page.locator('#place .lines', { hasText: '€99.14' }).waitFor();
  await page.getByRole('button', { name: 'Place order' }).click();
  await page.getByText('Order confirmed.').waitFor();
  assert.match(await page.locator('#answer').textContent(), /€99\.14 charged once/);
  await page.getByRole('link', { name: 'See its story' }).click();
  await page.waitForURL(/\/orders\/[0-9a-z-]+$/);
  // The list follows the events a moment later.
  do await page.goto(`${shop.url}/orders`);
  while ((await page.locator('tbody tr').count()) === 0);
}

export async function refusals_are_said_in_words_and_the_form_stays(chrome, shop) {
  const page = await open(chrome, shop, { javaScriptEnabled: false });
  await asCustomer(page, shop, '/shop?q=ticket');
  await page.getByRole('button', { name: /^Add: Ticket/ }).click();
  await page.locator('#place .lines input').fill('5');
  await page.getByRole('button', { name: 'Place order' }).click();
  await page.getByText('1 line is out of stock.').waitFor();
  assert.match(await page.locator('#answer').textContent(), /Nothing was reserved or charged/);
  assert.equal(await page.locator('#place .lines .bad').count(), 1);
  await noOverflow(page, 'out of stock');
  await page.locator('#place .lines input').fill('1');
  await page.locator('#token').selectOption('tok_declined');
  await page.getByRole('button', { name: 'Place order' }).click();
  await page.getByText('The payment was declined.').waitFor();
  assert.equal(await page.locator('#token').inputValue(), 'tok_declined');
}

export async function verbs_ask_on_a_page_of_their_own(chrome, shop) {
  const page = await open(chrome, shop, { javaScriptEnabled: false });
  await asOperator(page, shop, '/sagas?state=completed');
  await page.locator('#sagas tbody a').first().click();
  await page.waitForURL(/\/sagas\/[0-9a-z-]+$/);
  await page.getByText('It has ended').waitFor();
  const saga = new URL(page.url()).pathname;
  await page.goto(`${shop.url}${saga}/pause`);
  await page.getByText('Nothing has been done yet.').waitFor();
  await page.locator('textarea[name=reason]').fill('a test');
  await page.getByRole('button', { name: 'Pause' }).click();
  await page.getByText('Nothing was done.').waitFor();
  assert.equal(await page.locator('textarea[name=reason]').inputValue(), 'a test');
}
