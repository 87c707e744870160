// Live pages: they change by themselves, say since when they do not, and come back after kill -9 and a restart.
import assert from 'node:assert/strict';
import { asOperator, open } from '../lib/browser.mjs';
import { quiet } from '../lib/checks.mjs';

export async function pausing_holds_the_page_still(chrome, shop) {
  const page = await open(chrome, shop);
  await asOperator(page, shop);
  const asOf = page.locator('[data-live=asof]');
  const before = await asOf.textContent();
  await page.waitForFunction((old) => document.querySelector('[data-live=asof]').textContent !== old, before);
  await page.locator('.livebtn').click();
  await page.locator('.livebtn[aria-pressed=true]').waitFor();
  const held = await asOf.textContent();
  // Messages go on coming; the page does not take them over.
  const messages = await page.evaluate(() => new Promise((resolve) => {
    let count = 0;
    source.addEventListener('message', () => { count += 1; if (count === 2) resolve(count); });
  }));
  assert.equal(messages, 2);
  assert.equal(await asOf.textContent(), held);
  await page.locator('.livebtn').click();
  await page.waitForFunction((old) => document.querySelector('[data-live=asof]').textContent !== old, held);
  quiet(page, 'pausing');
}

export async function a_killed_shop_is_said_and_the_page_comes_back(chrome, shop) {
  const page = await open(chrome, shop);
  await asOperator(page, shop);
  await page.waitForFunction(() => document.querySelectorAll('[data-feed] svg').length > 2);
  page.expectLost = true;
  await shop.kill();
  await page.getByText(/^Not live since \d\d:\d\d:\d\d$/).waitFor();
  assert.match(await page.locator('h1').textContent(), /services run/, 'the page keeps what it said');
  const asOf = await page.locator('[data-live=asof]').textContent();
  await shop.start();
  await page.locator('.livebtn .word', { hasText: /^Live$/ }).waitFor({ timeout: 30_000 });
  await page.waitForFunction((old) => document.querySelector('[data-live=asof]').textContent !== old, asOf);
  await page.reload();
  await page.getByRole('button', { name: 'Log out' }).waitFor();
  quiet(page, 'after a restart');
}
