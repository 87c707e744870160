// Copies that say otherwise than their owners: found, shown side by side, repaired after a dry run, and counted on every page.
import assert from 'node:assert/strict';
import { asCustomer, asOperator, open } from '../lib/browser.mjs';
import { accessible, noOverflow, quiet } from '../lib/checks.mjs';
import { checked, damaged, ordered } from '../lib/copies.mjs';

/** The button of a pair; its name is read with the pair's. */
const CHECK = { name: /^Check again.*order events → order views$/ };

export async function a_row_that_differs_is_repaired_without_javascript(chrome, shop) {
  const order = await ordered(shop, 'differs');
  const row = await damaged(shop, order);
  const page = await open(chrome, shop, { javaScriptEnabled: false });
  await asOperator(page, shop, '/consistency');
  await page.getByRole('link', CHECK).first().click();
  await page.getByText('Nothing has been done yet.').waitFor();
  await page.getByRole('button', { name: 'Check again' }).click();
  await page.getByText('Checked again.').waitFor();
  await page.locator('#divergent', { hasText: /order views.*row differs|rows differ/ }).waitFor();
  await page.goto(`${shop.url}/consistency/rows/${row.id}`);
  await page.getByText('This is not lag.').waitFor();
  await page.locator('table.diff tr.ne').first().waitFor();
  assert.equal(await page.locator('table.diff').first().locator('tbody tr').first().getAttribute('class'), 'ne', 'differing fields come first');
  await page.getByRole('link', { name: /^Repair \(dry run first\)/ }).click();
  await page.getByText('What the repair would do').waitFor();
  await page.locator('textarea[name=reason]').fill('changed by <b>hand</b>');
  await page.getByRole('button', { name: 'Repair this row' }).click();
  await page.getByText('Repaired: the copy says what its owner says.').waitFor();
  // The record says why.
  await page.locator('#record', { hasText: 'changed by <b>hand</b>' }).waitFor();
  const after = await checked(shop, 'orders.view');
  assert.ok(after.inconsistencies.every((one) => one.key !== order), JSON.stringify(after.inconsistencies));
  quiet(page, 'repair');
}

export async function all_rows_of_a_pair_are_repaired_by_one_press(chrome, shop) {
  for (const key of ['one', 'two']) await damaged(shop, await ordered(shop, key));
  const page = await open(chrome, shop);
  await asOperator(page, shop, '/consistency');
  await page.getByRole('link', { name: /^Repair \d+ rows \(dry run first\)/ }).click();
  await page.getByText('What the repair would do').waitFor();
  await accessible(page, 'the repair of several rows');
  await page.locator('textarea[name=reason]').fill('changed by hand');
  await page.getByRole('button', { name: /^Repair \d+ rows$/ }).click();
  await page.getByText(/\d+ rows say what the owner says\./).waitFor();
  assert.deepEqual((await checked(shop, 'orders.view')).inconsistencies, []);
  quiet(page, 'several repairs');
}

export async function verdicts_are_counted_on_every_page_and_change_by_themselves(chrome, shop) {
  const row = await damaged(shop, await ordered(shop, 'counted'));
  const page = await open(chrome, shop);
  await asOperator(page, shop, '/projections');
  const divergent = page.locator('#sum a', { hasText: 'divergent' });
  await page.waitForFunction(() => /[1-9]/.test(document.querySelector('#sum a:nth-child(2)')?.textContent ?? ''));
  await page.locator('#count-consistency .count.bad').waitFor();
  await divergent.click();
  await page.waitForURL(/\/consistency#divergent$/);
  await page.locator('h1', { hasText: /pairs? differs?/ }).waitFor();
  // What is under the pointer is not replaced.
  await page.mouse.move(1_200, 890);
  await accessible(page, 'a divergent pair');
  // Repaired by somebody else: the page says so without being read again.
  const all = (await checked(shop, 'orders.view')).inconsistencies;
  assert.ok(all.some((one) => one.id === row.id));
  for (const one of all) await shop.api('POST', `/v1/consistency/divergences/${one.id}/repair`, { apply: true });
  await page.getByText('Where a copy had everything, it says what its owner says.').waitFor();
  await page.waitForFunction(() => /^0/.test(document.querySelector('#sum a:nth-child(2)')?.textContent ?? ''));
  await page.locator('#count-consistency .count.bad').waitFor({ state: 'detached' });
  await page.setViewportSize({ width: 390, height: 900 });
  await noOverflow(page, 'consistency, narrow');
  quiet(page, 'verdicts');
}

export async function a_check_is_asked_for_in_place(chrome, shop) {
  const page = await open(chrome, shop);
  await asOperator(page, shop, '/consistency');
  await page.getByRole('link', CHECK).first().click();
  const dialog = page.locator('#confirm');
  await dialog.getByRole('button', { name: 'Check again' }).click();
  await page.getByText('Checked again.').waitFor();
  quiet(page, 'check');
}

export async function sync_tells_connectors_and_how_far_each_copy_is(chrome, shop) {
  const page = await open(chrome, shop);
  await asOperator(page, shop, '/sync');
  for (const copy of ['users.key-value', 'users.index', 'users.analytics']) await page.locator('#lag tr', { hasText: copy }).waitFor();
  await page.locator('#connectors tbody tr').first().waitFor();
  await page.locator('#parked').getByText('None. Every change could be applied.').waitFor();
  quiet(page, 'sync');
}

export async function customers_see_nothing_of_copies(chrome, shop) {
  const page = await open(chrome, shop);
  await asCustomer(page, shop);
  assert.equal(await page.locator('#sum a').count(), 0);
  assert.equal(await page.getByRole('link', { name: 'Consistency' }).count(), 0);
  quiet(page, 'a customer');
}
