// Verbs in place: the dialog says what will happen, asks why, and does it once.
import assert from 'node:assert/strict';
import { asOperator, open } from '../lib/browser.mjs';
import { accessible, quiet } from '../lib/checks.mjs';

/** A saga that stands still until somebody moves it: its payment does not answer, and it is paused. */
async function held(shop) {
  const body = { userId: 1, items: [{ productId: 'stand', quantity: 1 }], shippingAddress: {}, paymentMethod: { token: 'tok_timeout_unpaid' } };
  const answer = await shop.api('POST', '/v1/orders', body, { 'idempotency-key': `held-${performance.now()}`, prefer: 'respond-async' });
  assert.equal(answer.status, 202, JSON.stringify(answer.body));
  const saga = answer.headers.get('location').split('/').pop();
  const paused = await shop.api('POST', `/v1/sagas/${saga}/pause`, { reason: 'a test' });
  assert.equal(paused.status, 200, JSON.stringify(paused.body));
  return saga;
}

export async function a_saga_is_resumed_from_the_dialog(chrome, shop) {
  const saga = await held(shop);
  const page = await open(chrome, shop);
  await asOperator(page, shop, `/sagas/${saga}`);
  await page.locator('h1', { hasText: /^Paused/ }).waitFor();
  await page.getByRole('link', { name: 'Resume' }).click();
  const dialog = page.locator('#confirm');
  await dialog.waitFor();
  await accessible(page, 'the confirmation');
  await page.keyboard.press('Escape');
  await dialog.waitFor({ state: 'hidden' });
  // The focus returns with the dialog's close, which is told after it is hidden.
  await page.waitForFunction(() => document.activeElement.textContent === 'Resume');
  await page.keyboard.press('Enter');
  await dialog.getByRole('textbox').first().fill('seen <b>it</b>');
  await dialog.getByRole('button', { name: 'Resume' }).click();
  await page.getByText('Resumed. Recorded in the audit trail.').waitFor();
  await page.locator('#saga', { hasText: 'seen <b>it</b>' }).waitFor();
  quiet(page, 'verbs');
}

export async function abandoning_needs_the_end_of_the_id_typed(chrome, shop) {
  const saga = await held(shop);
  const page = await open(chrome, shop);
  await asOperator(page, shop, `/sagas/${saga}/abandon`);
  await page.locator('textarea[name=reason]').fill('a test');
  await page.locator('input[name=typed]').fill('nope');
  await page.getByRole('button', { name: 'Abandon' }).click();
  await page.getByText('Nothing was done.').waitFor();
  await page.locator('input[name=typed]').fill(saga.slice(-4));
  await page.getByRole('button', { name: 'Abandon' }).click();
  await page.getByText('Abandoned. Recorded in the audit trail.').waitFor();
  quiet(page, 'abandon');
}
