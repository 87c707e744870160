// Figures: read without script, by day and by hour, in another zone; wrong periods are said in words.
import assert from 'node:assert/strict';
import { asCustomer, asOperator, open } from '../lib/browser.mjs';
import { noInjection, noOverflow, quiet } from '../lib/checks.mjs';
import { ordered } from '../lib/copies.mjs';

/** An order that figures know of. */
async function sold(shop) {
  await ordered(shop, 'figures');
  let board;
  do board = (await shop.api('GET', '/v1/analytics/dashboard')).body;
  while (!(board.totals.find((total) => total.currency === 'EUR')?.totalOrders > 0));
  return board;
}

export async function figures_are_read_and_narrowed_without_javascript(chrome, shop) {
  await sold(shop);
  const page = await open(chrome, shop, { javaScriptEnabled: false });
  await asOperator(page, shop, '/analytics');
  await page.locator('h1', { hasText: /^\d[\d,]* orders? for €/ }).waitFor();
  await page.locator('#series svg rect').first().waitFor({ state: 'attached' });
  assert.equal(await page.locator('#series svg rect').count(), 2 * (await page.locator('#series tbody tr').count()), 'what is drawn stands in the table too');
  await page.locator('#products tbody a', { hasText: 'Concert candle' }).waitFor();
  await page.locator('#customers tbody a', { hasText: 'Customer 1' }).waitFor();
  for (const panel of ['#funnel', '#categories']) await page.locator(`${panel} tbody tr`).first().waitFor();
  await page.getByLabel('Rows').selectOption('hour');
  await page.getByLabel('Time zone').selectOption('+02:00');
  const today = new Date().toISOString().slice(0, 10);
  await page.getByLabel('First day').fill(today);
  await page.getByRole('button', { name: 'Show' }).click();
  await page.waitForURL(/by=hour/);
  await page.getByText('hours of UTC+02:00').waitFor();
  assert.equal(await page.getByLabel('Time zone').inputValue(), '+02:00');
  await page.getByLabel('Last day').fill('2020-01-01');
  await page.getByRole('button', { name: 'Show' }).click();
  await page.waitForURL(/to=2020-01-01/);
  await page.getByText('must not be before from').waitFor();
  assert.equal(await page.getByLabel('Last day').inputValue(), '2020-01-01', 'what was asked for stays in the form');
  quiet(page, 'analytics');
}

export async function a_period_without_orders_says_so(chrome, shop) {
  const page = await open(chrome, shop);
  await asOperator(page, shop, '/analytics?from=2020-01-01&to=2020-01-31');
  await page.getByText('No order in this period').waitFor();
  await page.getByRole('link', { name: '30 days' }).click();
  await page.waitForURL((url) => url.searchParams.get('from') > '2020-01-31');
  await page.setViewportSize({ width: 390, height: 900 });
  await noOverflow(page, 'analytics, narrow');
  await noInjection(page, 'analytics');
  quiet(page, 'an empty period');
}

export async function customers_see_no_figures(chrome, shop) {
  const page = await open(chrome, shop);
  await asCustomer(page, shop);
  assert.equal(await page.getByRole('link', { name: 'Analytics' }).count(), 0);
  assert.equal((await page.goto(`${shop.url}/analytics`)).status(), 403);
  quiet(page, 'a customer');
}
