// A real Chromium that may reach the shop and nothing else, and pages that remember everything that went wrong on them.
import { existsSync } from 'node:fs';
import { chromium } from 'playwright-core';

const PLACES = [process.env.CHROMIUM, '/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];

/** Starts Chromium. What it does by itself (updates, sync) is switched off, so that every request is a page's. */
export async function browser() {
  const executablePath = PLACES.find((place) => place && existsSync(place));
  if (!executablePath) throw new Error('no Chromium: install it (Debian: apt-get install chromium) or set CHROMIUM');
  return chromium.launch({
    executablePath,
    args: ['--no-sandbox', '--disable-gpu', '--disable-background-networking', '--disable-component-update', '--disable-sync', '--no-first-run', '--disable-dev-shm-usage'],
  });
}

/**
 * A page in a context of its own. `page.troubles` holds requests that leave the shop, errors of the console and of the script.
 * Failing statuses are the server's answers, not errors of the page: Chromium reports them on the console all the same.
 */
export async function open(chrome, shop, options = {}) {
  const context = await chrome.newContext({ viewport: { width: 1280, height: 900 }, ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(20_000);
  page.troubles = [];
  const trouble = (text) => page.troubles.push(text);
  page.on('request', (request) => {
    const { origin, protocol } = new URL(request.url());
    if (origin !== shop.origin && !['data:', 'blob:'].includes(protocol)) trouble(`request to ${request.url()}`);
  });
  page.on('console', (message) => {
    if (message.type() !== 'error' && message.type() !== 'warning') return;
    if (/Failed to load resource: the server responded with a status of 4\d\d/.test(message.text())) return;
    if (page.expectLost && /ERR_CONNECTION_REFUSED|ERR_CONNECTION_RESET|ERR_INCOMPLETE_CHUNKED|ERR_EMPTY_RESPONSE|ERR_SOCKET/.test(message.text())) return;
    trouble(`console: ${message.text()}`);
  });
  page.on('pageerror', (error) => trouble(`script: ${error.message}`));
  page.on('dialog', async (dialog) => {
    trouble(`a dialog of the browser: ${dialog.message()}`);
    await dialog.dismiss();
  });
  return page;
}

/** Logs in as the demo's customer. */
export async function asCustomer(page, shop, next = '/') {
  await page.goto(`${shop.url}/login?next=${encodeURIComponent(next)}`);
  await page.getByRole('button', { name: 'Log in', exact: true }).click();
  await page.waitForURL(`${shop.url}${next}`);
}

/** Logs in as the demo's operator. */
export async function asOperator(page, shop, next = '/') {
  await page.goto(`${shop.url}/login?next=${encodeURIComponent(next)}`);
  await page.getByRole('button', { name: /demo’s operator/ }).click();
  await page.waitForURL(`${shop.url}${next}`);
}
