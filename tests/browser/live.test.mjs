// node live.test.mjs ORDER_SERVICE GC_PAUSE ORDER_BATCH: the dashboard of a service that runs, as people use it.
import assert from 'node:assert/strict';
import {spawn} from 'node:child_process';
import {once} from 'node:events';
import {mkdtempSync, rmSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join, resolve} from 'node:path';
import {createInterface} from 'node:readline';
import {after, before, test} from 'node:test';
import {pathToFileURL} from 'node:url';
import {launch, newPage} from './browser.mjs';

const [orderService, gcPause, orderBatch] = process.argv.slice(2).map((file) => resolve(file));
const folder = mkdtempSync(join(tmpdir(), `plateau-live-${process.pid}-`));
let browser;
let service;
let url;

// Gives the process, and its address once it listens.
async function serve(program, ...options) {
  const lab = spawn(program, ['serve', '--address', '127.0.0.1:0', ...options], {stdio: ['ignore', 'pipe', 'inherit']});
  const lines = createInterface({input: lab.stdout});
  const [line] = await once(lines, 'line');
  lines.on('line', () => {});  // the rest is read, and not looked at
  return [lab, line.match(/http:\S+/)[0]];
}

async function open(options, address = url) {
  const opened = await newPage(browser, options);
  await opened.page.goto(address);
  await opened.page.locator('#knob-load .now', {hasText: '/s'}).waitFor();  // the service is ready
  return opened;
}

// How many pixels of the first chart in there have a colour (axes and their texts are grey), or the red of the line that
// marks a change, which nothing else in the chart of memory has.
const pixels = (figure, kind) => figure.locator('canvas').first().evaluate((canvas, wanted) => {
  const copy = Object.assign(document.createElement('canvas'), {width: canvas.width, height: canvas.height});
  const context = copy.getContext('2d', {willReadFrequently: true});
  context.drawImage(canvas, 0, 0);
  const isNear = (one, other) => Math.abs(one - other) < 24;
  const is = {
    coloured: (...rgb) => Math.max(...rgb) - Math.min(...rgb) > 40,
    mark: (r, g, b) => isNear(r, 0xb3) && isNear(g, 0x26) && isNear(b, 0x1e),
  }[wanted];
  const {data} = context.getImageData(0, 0, copy.width, copy.height);
  let count = 0;
  for (let i = 0; i < data.length; i += 4) {
    if (data[i + 3] > 200 && is(data[i], data[i + 1], data[i + 2])) ++count;
  }
  return count;
}, kind);
const isDrawn = async (figure) => (await pixels(figure, 'coloured')) > 50;
const marks = (page) => pixels(page.locator('#live-memory'), 'mark');

before(async () => {
  [service, url] = await serve(orderService);
  browser = await launch();
});

after(async () => {
  await browser?.close();
  service?.kill('SIGKILL');
  rmSync(folder, {recursive: true, force: true});
});

test('every chart is drawn and goes on, and nothing is complained about', async () => {
  const {page, complaints, close} = await open();
  // What cannot be told is hidden once something has been drawn.
  await page.locator('#charts canvas').first().waitFor();
  const ids = await page.locator('#charts figure:not([hidden])').evaluateAll((all) => all.map((figure) => figure.id));
  assert.ok(ids.length >= 8, ids.join());
  for (const id of ids) {
    const figure = page.locator(`#${id}`);
    await figure.scrollIntoViewIfNeeded();
    await figure.locator('canvas').first().waitFor();
    // A service that has just begun has one sample; a line is seen from the second on.
    const until = Date.now() + 20_000;
    while (!(await isDrawn(figure))) {
      assert.ok(Date.now() < until, `an empty chart: ${await figure.locator('h4').textContent()}`);
      await page.waitForTimeout(100);
    }
  }
  await page.evaluate(() => scrollTo(0, 0));
  const value = () => page.locator('#live-memory .keys b').first().textContent();
  const first = await value();
  await page.waitForFunction((old) => document.querySelector('#live-memory .keys b').textContent !== old, first);
  await page.locator('#figures summary').click();
  await page.locator('#figures tbody tr').first().waitFor();
  // The same figures are behind each chart.
  for (const id of ids) {
    await page.locator(`#${id} summary`).click();
    await page.locator(`#${id} tbody tr`).first().waitFor();
  }
  assert.deepEqual(complaints, []);
  await close();
});

test('a knob changes the process, and every tab marks it', async () => {
  const one = await open();
  const other = await open();
  await other.page.locator('#live-memory canvas').first().waitFor();
  assert.equal(await marks(other.page), 0);
  await one.page.locator('#knob-dirty_decay input').fill('123');
  await one.page.locator('#knob-dirty_decay').getByRole('button', {name: 'Set'}).click();
  for (const {page} of [one, other]) {
    await page.locator('#changes li[data-knob="dirty_decay"]', {hasText: '→ 123 ms'}).waitFor();
    await page.locator('#knob-dirty_decay .now', {hasText: '123 ms'}).waitFor();
  }
  const until = Date.now() + 20_000;  // the chart is drawn a moment after the list of changes
  while ((await marks(other.page)) < 20) {
    assert.ok(Date.now() < until, 'no mark on the chart');
    await other.page.waitForTimeout(100);
  }
  // A fix, by the keyboard alone.
  const fix = one.page.locator('[id^="knob-fix-"] input').first();
  await fix.focus();
  await one.page.keyboard.press('Space');
  await other.page.locator('[id^="knob-fix-"] input').first().and(other.page.locator(':checked')).waitFor();
  const late = await open();  // a tab that comes later catches up
  await late.page.locator('#changes li[data-knob="dirty_decay"]', {hasText: '→ 123 ms'}).waitFor();
  for (const {complaints, close} of [one, other, late]) {
    assert.deepEqual(complaints, []);
    await close();
  }
});

test('a knob that is not there says why', async (context) => {
  const [onGlibc, address] = await serve(orderService, '--allocator', 'glibc');
  context.after(() => onGlibc.kill('SIGKILL'));
  const {page, close} = await open({}, address);
  const unavailable = page.locator('.knob.unavailable').first();
  assert.ok(await unavailable.locator('input').isDisabled());
  assert.match(await unavailable.locator('.note').textContent(), /Not here: ./);
  await close();
});

test('bytes are typed as MB and asked for as whole bytes', async () => {
  const {page, close} = await open();
  const asked = [];
  await page.route('**/live/knobs/soft_limit', (route) => {
    asked.push(JSON.parse(route.request().postData()).value);
    return route.fulfill({json: {value: asked[0]}});
  });
  await page.locator('#knob-soft_limit input').fill('64.1');  // 64.1 * 1e6 is no whole number in binary
  await page.locator('#knob-soft_limit').getByRole('button', {name: 'Set'}).click();
  await page.waitForFunction(() => document.querySelector('#knob-soft_limit .now').textContent === '64.1 MB');
  assert.deepEqual(asked, [64100000]);
  await close();
});

test('a tab that nobody sees has no connection, and catches up', async () => {
  const {page, complaints, close} = await open();
  const setHidden = (isHidden) => page.evaluate((value) => {
    Object.defineProperty(document, 'hidden', {configurable: true, get: () => value});
    document.dispatchEvent(new Event('visibilitychange'));
  }, isHidden);
  const streams = [];
  page.on('request', (request) => request.url().endsWith('/live/stream') && streams.push(request));
  const ended = page.waitForEvent('requestfailed', (request) => request.url().endsWith('/live/stream'));
  await setHidden(true);
  await ended;
  const other = await open();
  await other.page.locator('#knob-load').getByRole('button', {name: '100', exact: true}).click();
  await other.page.locator('#knob-load .now', {hasText: '100/s'}).waitFor();
  assert.equal(streams.length, 0);
  assert.doesNotMatch(await page.locator('#knob-load .now').textContent(), /^100\/s/);
  await setHidden(false);
  await page.locator('#knob-load .now', {hasText: '100/s'}).waitFor();
  assert.equal(streams.length, 1);
  await other.page.locator('#knob-load').getByRole('button', {name: '500', exact: true}).click();
  await other.page.locator('#knob-load .now', {hasText: '500/s'}).waitFor();
  await other.close();
  assert.deepEqual(complaints, []);
  await close();
});

test('a refusal is shown at its knob', async () => {
  const {page, close} = await open();
  await page.route('**/live/knobs/load', (route) => route.continue({headers: {...route.request().headers(), 'x-plateau-token': 'of another service'}}));
  await page.locator('#knob-load').getByRole('button', {name: '100', exact: true}).click();
  await page.locator('#knob-load [role=alert]', {hasText: 'token'}).waitFor();
  await close();
});

test('a flame graph of the running process', async () => {
  const {page, complaints, close} = await open();
  await page.getByRole('button', {name: 'Flame graph'}).click();
  await page.locator('#live-flame g.frame', {hasText: 'order_service'}).first().waitFor();
  await page.locator('#profile-kind').selectOption({label: 'CPU'});
  await page.locator('#profile-seconds').fill('1');
  await page.getByRole('button', {name: 'Flame graph'}).click();
  await page.locator('#live-flame figcaption', {hasText: 'CPU, at'}).waitFor();
  assert.deepEqual(complaints, []);
  await close();
});

test('what was seen is saved as a report', async () => {
  const {page, complaints, close} = await open();
  await page.locator('#knob-muzzy_decay').getByRole('button', {name: '1000', exact: true}).click();
  await page.locator('#changes li[data-knob="muzzy_decay"]').waitFor();
  const [download] = await Promise.all([page.waitForEvent('download'), page.getByRole('link', {name: 'Save report'}).click()]);
  const file = join(folder, 'report.html');
  await download.saveAs(file);
  await page.goto(pathToFileURL(file).href);
  const charts = page.locator('#order_service-seen figure:not([hidden])');
  await page.locator('#live-memory canvas').waitFor();
  for (const chart of await charts.all()) {
    await chart.scrollIntoViewIfNeeded();
    await chart.locator('canvas').first().waitFor();
    assert.ok(await isDrawn(chart), `an empty chart: ${await chart.locator('h4').textContent()}`);
  }
  await page.getByRole('row', {name: /Muzzy decay 0 ms → 1,000 ms/}).waitFor();
  assert.equal(await page.locator('header .outcomes').textContent().then((text) => /simulated/.test(text)), false);
  assert.deepEqual(complaints, []);
  await close();
});

test('pauses and purges of the lab of pauses', async (context) => {
  const [gc, address] = await serve(gcPause, '--heap', '32MiB', '--period', '300ms');
  context.after(() => gc.kill('SIGKILL'));
  const {page, complaints, close} = await open({}, address);
  for (const id of ['live-pauses', 'live-purges', 'live-purge_ms']) {
    const figure = page.locator(`#${id}`);
    await figure.scrollIntoViewIfNeeded();
    await figure.locator('canvas').first().waitFor();
    await page.waitForFunction((of) => /[1-9]/.test(document.querySelector(`#${of} .keys b`).textContent), id);
    assert.ok(await isDrawn(figure), id);
  }
  assert.deepEqual(complaints, []);
  await close();
});

test('which threads free whose memory, of the lab of the batch', async (context) => {
  const [batch, address] = await serve(orderBatch, '--fix', 'all,-ownership,-group_commit', '--rate', '200');
  context.after(() => batch.kill('SIGKILL'));
  const {page, complaints, close} = await open({}, address);
  await page.locator('#profile-kind').selectOption({label: 'Foreign frees, by threads'});
  const matrix = page.locator('#live-crossings table.crossings');
  // Until enough orders have come.
  await page.waitForFunction(() => {
    const draw = [...document.querySelectorAll('#profiles button')].find((button) => button.textContent === 'Flame graph');
    if (!draw.disabled) draw.click();
    return [...document.querySelectorAll('#live-crossings th')].some((th) => /^worker \(\d+ threads\)$/.test(th.textContent));
  }, null, {polling: 500});
  await matrix.locator('td[data-value]').first().waitFor();
  await page.locator('#live-flame g.frame', {hasText: 'order_batch'}).first().waitFor();
  for (const label of ['Lifetimes of blocks', 'Temporaries']) {
    await page.locator('#profile-kind').selectOption({label});
    await page.locator('#profiles button', {hasText: 'Flame graph'}).and(page.locator(':enabled')).click();
    await page.locator('#live-flame figcaption', {hasText: `${label === 'Temporaries' ? 'temporaries' : 'lifetimes'}, at`}).waitFor();
  }
  assert.deepEqual(complaints, []);
  await close();
});

test('dark, and in a narrow window without sideways scrolling', async () => {
  const {page, complaints, close} = await open({viewport: {width: 400, height: 800}, colorScheme: 'dark'});
  const background = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  const dark = await background();
  await page.locator('#theme').click();
  assert.notEqual(await background(), dark);
  assert.ok((await page.evaluate(() => document.documentElement.scrollWidth)) <= 400);
  assert.deepEqual(complaints, []);
  await close();
});

// The last, since it is.
test('the end of the service is shown as such', async () => {
  const {page, close} = await open();
  const exit = once(service, 'exit');
  service.kill('SIGINT');
  await page.locator('#state.ended').waitFor();
  assert.match(await page.locator('#state').textContent(), /ended/);
  await exit;
  await close();
});
