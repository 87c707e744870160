// Places an order on the first page of a demo shop and takes its picture. Usage: node first-page.cjs URL FILE
const { chromium } = require('playwright-core');

const [url, file] = process.argv.slice(2);

(async () => {
  const browser = await chromium.launch({
    executablePath: '/usr/bin/chromium',
    args: ['--no-sandbox', '--disable-gpu', '--disable-background-networking', '--disable-component-update', '--disable-sync', '--no-first-run'],
  });
  const page = await browser.newPage({ viewport: { width: 1240, height: 1560 } });
  const broken = [];
  page.on('pageerror', (error) => broken.push(error.message));
  await page.goto(url);
  await page.getByText('12 products').waitFor();
  await page.locator('button:text-is("Log in"):not(#tab-in):not([disabled])').click();
  await page.getByText('as clara').waitFor();
  await page.locator('button:has-text("Add")').nth(0).click();
  await page.locator('button:has-text("Add")').nth(11).click();
  await page.click('#place-button');
  await page.getByText('completed').first().waitFor();
  await page.evaluate(() => window.scrollTo(0, 0));
  await page.screenshot({ path: file });
  await browser.close();
  if (broken.length > 0) throw new Error(`the page broke: ${broken.join('; ')}`);
})();
