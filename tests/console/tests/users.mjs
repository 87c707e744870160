// Profiles: what merges did not take is shown beside what stands, and can be chosen later.
import assert from 'node:assert/strict';
import { asCustomer, asOperator, open } from '../lib/browser.mjs';
import { accessible, noInjection, noOverflow, quiet } from '../lib/checks.mjs';

const EVIL = '<img src=x onerror=window.injected=1>';

/** Two changes of one field from one version: the second wins, the first is a loser. */
async function lost(shop, field) {
  const base = (await shop.api('GET', '/v1/users/1')).headers.get('etag');
  for (const value of [`${EVIL} first`, 'second']) {
    const headers = { 'content-type': 'application/merge-patch+json', 'if-match': base, prefer: 'resolution=merge' };
    const merged = await shop.api('PATCH', '/v1/users/1', { profile: { [field]: value } }, headers);
    assert.equal(merged.status, 200, JSON.stringify(merged.body));
  }
}

export async function a_customer_takes_a_lost_value_after_all_without_javascript(chrome, shop) {
  await lost(shop, 'city');
  const page = await open(chrome, shop, { javaScriptEnabled: false });
  await asCustomer(page, shop, '/');
  await page.goto(`${shop.url}/users`);
  await page.waitForURL(`${shop.url}/users/1`);
  const row = page.locator('#conflicts tbody tr', { hasText: 'city' });
  await row.getByText(`${EVIL} first`).waitFor();
  await row.getByText('second').first().waitFor();
  await noInjection(page, 'conflicts');
  await row.getByRole('link', { name: /^Take it after all/ }).click();
  await page.getByText('Nothing has been done yet.').waitFor();
  await page.getByRole('button', { name: 'Take it after all' }).click();
  await page.getByText('Taken after all.').waitFor();
  await page.locator('#profile dd', { hasText: `${EVIL} first` }).waitFor();
  assert.equal((await shop.api('GET', '/v1/users/1')).body.profile.city, `${EVIL} first`);
  assert.equal((await page.goto(`${shop.url}/users/2`)).status(), 403, 'nobody else is shown');
}

export async function an_operator_leaves_a_value_as_it_is_in_place(chrome, shop) {
  await lost(shop, 'town');
  const page = await open(chrome, shop);
  await asOperator(page, shop, '/users');
  await page.getByLabel('User’s id').fill('1');
  await page.getByRole('button', { name: 'Show' }).click();
  await page.waitForURL(`${shop.url}/users/1`);
  await accessible(page, 'a profile with conflicts');
  await page.locator('#conflicts tbody tr', { hasText: 'town' }).getByRole('link', { name: /^Leave as it is/ }).click();
  const dialog = page.locator('#confirm');
  await dialog.getByRole('button', { name: 'Leave as it is' }).click();
  await page.getByText('Left as it is.').waitFor();
  await page.locator('#conflicts details summary').click();
  await page.locator('#conflicts details tr', { hasText: 'left as it stands' }).first().waitFor();
  await page.setViewportSize({ width: 390, height: 900 });
  await noOverflow(page, 'a profile, narrow');
  quiet(page, 'a profile');
}

export async function a_choice_over_a_change_that_was_not_seen_is_refused(chrome, shop) {
  await lost(shop, 'street');
  const page = await open(chrome, shop, { javaScriptEnabled: false });
  await asOperator(page, shop, '/users/1');
  await page.locator('#conflicts tbody tr', { hasText: 'street' }).getByRole('link', { name: /^Take it after all/ }).click();
  await page.getByText('Nothing has been done yet.').waitFor();
  const now = (await shop.api('GET', '/v1/users/1')).headers.get('etag');
  const changed = await shop.api('PATCH', '/v1/users/1', { profile: { street: 'third' } }, { 'content-type': 'application/merge-patch+json', 'if-match': now });
  assert.equal(changed.status, 200, JSON.stringify(changed.body));
  await page.getByRole('button', { name: 'Take it after all' }).click();
  await page.getByText('the user was changed meanwhile').waitFor();
  assert.equal((await shop.api('GET', '/v1/users/1')).body.profile.street, 'third');
}
