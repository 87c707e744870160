// The sync page: connectors are declared with all their problems said at once, and lags have a trend.
import assert from 'node:assert/strict';
import { asOperator, open } from '../lib/browser.mjs';
import { accessible, noInjection, noOverflow, quiet } from '../lib/checks.mjs';

const EVIL = '<img src=x onerror=window.injected=1>';

export async function a_connector_is_declared_after_all_its_problems_were_said_at_once(chrome, shop) {
  const page = await open(chrome, shop);
  await asOperator(page, shop, '/sync');
  await page.getByRole('link', { name: 'Declare a connector' }).click();
  await page.waitForURL(`${shop.url}/sync/connectors`);
  const field = page.getByRole('textbox', { name: 'Its JSON' });
  const example = await field.inputValue();
  await accessible(page, 'declaring a connector');
  await field.fill(`${EVIL}\n`);
  await page.getByRole('button', { name: 'Declare' }).click();
  await page.getByText('This is no JSON').waitFor();
  assert.ok((await field.inputValue()).startsWith(EVIL), 'what was written stays');
  await noInjection(page, 'no JSON');
  const declaration = JSON.parse(example);
  Object.assign(declaration.config, { 'database.port': 'x', [EVIL]: 'y' });
  await field.fill(JSON.stringify(declaration, null, 2));
  await page.getByRole('button', { name: 'Declare' }).click();
  await page.locator('#wrong', { hasText: 'database.port' }).waitFor();
  assert.match(await page.locator('#wrong').textContent(), /Line \d+.*<img/s, 'every problem stands there with its line');
  await noInjection(page, 'problems');
  await accessible(page, 'a connector with problems');
  await page.setViewportSize({ width: 390, height: 900 });
  await noOverflow(page, 'problems, narrow');
  await field.fill(example.replace('postgres-connector', 'declared-by-form').replace(/("database.password": )"[^"]*"/, '$1"dbz"'));
  await page.getByRole('button', { name: 'Declare' }).click();
  await page.waitForURL(/said=declared/);
  await page.locator('#connectors tr', { hasText: 'declared-by-form' }).getByText('kept, not run').waitFor();
  quiet(page, 'declaring');
}

export async function every_copy_has_a_trend_that_goes_on_by_itself(chrome, shop) {
  const page = await open(chrome, shop);
  await asOperator(page, shop, '/sync');
  const trend = page.locator('[data-feed="lag-users.index"]');
  await trend.locator('svg').first().waitFor();
  await page.waitForFunction(() => document.querySelector('[data-feed="lag-users.index"]').dataset.points.split(',').filter(Boolean).length > 2);
  // Whoever comes later finds what was there.
  await page.reload();
  await page.locator('#lag tr', { hasText: 'users.index' }).getByText(/at most/).waitFor();
  assert.ok((await trend.getAttribute('data-points')).split(',').filter(Boolean).length > 2);
  quiet(page, 'trends');
}
