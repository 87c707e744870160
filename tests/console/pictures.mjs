// The README's pictures: a demo shop with some orders in it, page by page. Usage: node pictures.mjs BINARY FOLDER
import { join } from 'node:path';
import { asOperator, browser, open } from './lib/browser.mjs';
import { Shop } from './lib/shop.mjs';

const [binary, folder] = process.argv.slice(2);
const shop = await Shop.start(binary);
const chrome = await browser();
try {
  const order = async (key, items, token = 'tok_visa', userId = 1, headers = {}) => {
    const body = { userId, items: items.map(([productId, quantity]) => ({ productId, quantity })), shippingAddress: { line1: 'Rua das Flores 18, 4050 Porto' }, paymentMethod: { token } };
    return shop.api('POST', '/v1/orders', body, { 'idempotency-key': key, ...headers });
  };
  const page = await open(chrome, shop, { viewport: { width: 1240, height: 900 } });
  await asOperator(page, shop);
  const first = await order('first', [['lute', 1], ['strings', 2], ['gesualdo', 1]]);
  await order('declined', [['viola', 1]], 'tok_declined', 2);
  const late = await order('late', [['candle', 12]], 'tok_timeout_unpaid', 3, { prefer: 'respond-async' });
  const saga = late.headers.get('location').split('/').pop();
  await shop.api('POST', `/v1/sagas/${saga}/pause`, { reason: 'the provider is asked first' });
  // Orders go on while the overview watches, until its trends are long enough to be seen.
  await page.waitForFunction(() => document.querySelectorAll('[data-feed] svg').length > 2);
  for (let count = 0; (await page.locator('[data-feed=orders]').getAttribute('data-points')).split(',').length < 12; count += 1) {
    await order(`more-${count}`, [['candle', 1 + (count % 3)]], 'tok_visa', 1 + (count % 3));
    if (count % 6 === 5) await order(`books-${count}`, [['weelkes', 1]]);
  }
  const take = async (name, path, options = {}) => {
    await page.setViewportSize({ width: 1240, height: options.height ?? 900 });
    if (path) await page.goto(`${shop.url}${path}`);
    await page.locator('main h1').waitFor();
    await page.screenshot({ path: join(folder, `${name}.png`) });
  };
  await take('overview', null, { height: 1010 });
  await take('shop', '/shop?q=lute', { height: 780 });
  await take('order-story', `/orders/${first.body.orderId}`, { height: 1050 });
  await take('sagas', `/sagas/${saga}`, { height: 1000 });
  await take('projections', '/projections?theme=dark', { height: 720 });
  if (page.troubles.length > 0) throw new Error(`the pages broke: ${page.troubles.join('; ')}`);
} finally {
  await chrome.close();
  await shop.end();
}
