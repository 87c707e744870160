// Every page, in light and dark, wide and narrow: nothing leaves the machine, nothing breaks, nothing overflows, axe is content.
import assert from 'node:assert/strict';
import { asCustomer, asOperator, open } from '../lib/browser.mjs';
import { accessible, noInjection, noOverflow, quiet } from '../lib/checks.mjs';
import { damaged } from '../lib/copies.mjs';

const EVIL = '<img src=x onerror=window.injected=1>';
const WIDTHS = [1280, 390];
const THEMES = ['light', 'dark'];

/** What the pages show: a product with an evil name, an order placed, one declined, one that is still under way. */
async function furnish(shop) {
  if (shop.furnished) return shop.furnished;
  const evil = { productId: 'evil', name: `${EVIL} lute`, description: EVIL, category: [{ id: 'evil', name: EVIL, path: EVIL }], price: { amount: 100, currency: 'EUR', discount: 1000 },
    attributes: [{ name: EVIL, value: EVIL }], tags: [EVIL], brand: EVIL, status: 'active', initialStock: 50 };
  const made = await shop.api('POST', '/v1/products', evil);
  assert.ok([201, 409].includes(made.status), JSON.stringify(made.body));
  const order = (key, token, productId) => shop.api('POST', '/v1/orders', { userId: 1, items: [{ productId, quantity: 2 }], shippingAddress: { line1: EVIL }, paymentMethod: { token } }, { 'idempotency-key': key });
  const placed = await order('console-1', 'tok_visa', 'evil');
  assert.equal(placed.status, 201, JSON.stringify(placed.body));
  assert.equal((await order('console-2', 'tok_declined', 'candle')).status, 402);
  // The list of sagas follows the events; what was declined is in it a moment later.
  let sagas = [];
  while (sagas.length === 0) sagas = (await shop.api('GET', '/v1/sagas?state=compensated')).body.items;
  shop.furnished = { order: placed.body.orderId, saga: sagas[0].sagaId };
  return shop.furnished;
}

async function everywhere(chrome, shop, paths, logIn) {
  const page = await open(chrome, shop);
  await logIn(page, shop);
  for (const path of paths) {
    for (const theme of THEMES) {
      for (const width of WIDTHS) {
        const what = `${path} ${theme} ${width}`;
        await page.setViewportSize({ width, height: 900 });
        await page.goto(`${shop.url}${path}${path.includes('?') ? '&' : '?'}theme=${theme}`);
        await page.locator('main h1').waitFor();
        await noOverflow(page, what);
        await noInjection(page, what);
        if (width === 1280 || theme === 'light') await accessible(page, what);
        quiet(page, what);
      }
    }
  }
}

export async function pages_that_guests_see(chrome, shop) {
  await furnish(shop);
  await everywhere(chrome, shop, ['/', '/login?why=closed', '/shop', '/shop?q=lute&stock=in', '/shop?q=nothing-is-called-this', '/shop/products/evil', '/shop/products/none', '/docs/problems'], async () => {});
}

export async function pages_that_customers_see(chrome, shop) {
  const { order } = await furnish(shop);
  await everywhere(chrome, shop, ['/', '/shop', '/orders', `/orders/${order}`, '/sagas', '/projections', '/consistency', '/sync', '/analytics', '/users/1'], asCustomer);
}

export async function pages_that_operators_see(chrome, shop) {
  const { order, saga } = await furnish(shop);
  // A row of a copy was changed behind the shop's back, so that there is something to show.
  const row = await damaged(shop, order);
  const copies = ['/consistency', `/consistency/rows/${row.id}`, `/consistency/rows/${row.id}/repair`, '/consistency/check?pair=orders.view', '/sync', '/sync/parked/skip?id=users%3A7', '/sync/parked/retry?id=products%3Aevil&of=analytics'];
  const added = ['/analytics', '/analytics?by=hour&tz=%2B02:00', '/analytics?from=soon', '/sync/connectors', '/users', '/users/1', '/users/none'];
  const paths = [...copies, ...added, '/', '/orders', `/orders/${order}`, '/sagas?state=compensated&state=running', `/sagas/${saga}`, '/projections', '/jump?id=nothing'];
  // Pages of services that this shop does not have are left out.
  const projections = await shop.api('GET', '/v1/projections');
  if (projections.status === 200) paths.push(`/projections/${projections.body.items[0].name}`, `/projections/${projections.body.items[0].name}/rebuild`);
  await everywhere(chrome, shop, paths, asOperator);
}

export async function an_evil_name_is_text_in_the_hits_with_what_was_found_marked(chrome, shop) {
  await furnish(shop);
  const page = await open(chrome, shop);
  await page.goto(`${shop.url}/shop?q=lute`);
  const name = page.locator('.card h3', { hasText: EVIL });
  await name.waitFor();
  assert.equal(await name.textContent(), `${EVIL} lute`);
  assert.equal(await name.locator('mark').last().textContent(), 'lute');
  await noInjection(page, 'hits');
}
