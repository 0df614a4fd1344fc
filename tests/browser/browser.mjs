// Debian's Chromium, and what its pages complain about.
import {createRequire} from 'node:module';
import {join} from 'node:path';

const {chromium} = createRequire(join(process.env.NODE_MODULES, 'x'))('playwright-core');

export const launch = () => chromium.launch({executablePath: '/usr/bin/chromium', args: ['--no-sandbox']});

// A page in a context of its own, and the list of its complaints, which grows.
export async function newPage(browser, options = {}) {
  const context = await browser.newContext({viewport: {width: 1280, height: 900}, ...options});
  const page = await context.newPage();
  page.setDefaultTimeout(60_000);  // the machine may be busy with other tests
  const complaints = [];
  page.on('console', (message) => ['error', 'warning'].includes(message.type()) && complaints.push(message.text()));
  page.on('pageerror', (error) => complaints.push(String(error)));
  return {page, complaints, close: () => context.close()};
}
