// node report.test.mjs ORDER_SERVICE REPORT ORDER_BATCH: a report of a real run, as people see it in a browser.
import assert from 'node:assert/strict';
import {execFileSync, spawnSync} from 'node:child_process';
import {mkdtempSync, readFileSync, rmSync, statSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join, resolve} from 'node:path';
import {after, before, test} from 'node:test';
import {pathToFileURL} from 'node:url';
import {launch, newPage} from './browser.mjs';

const [orderService, report, orderBatch] = process.argv.slice(2).map((file) => resolve(file));

const folder = mkdtempSync(join(tmpdir(), `plateau-browser-${process.pid}-`));
const file = (name) => join(folder, name);
let browser;
let result;

// Parts that only long runs have, in their true shape.
function withAblationAndPauses(run) {
  const parts = {requested: 1e8, rounding: 2e7, slabs: 3e7, padding: 1e6, dirty: 3e6, metadata: 1e6, rest: -5e6};
  const row = (arm, more) => ({arm, outcome: 'completed', died_at_hours: null, rss: 1.5e8, allocation_bytes_per_simulated_second: 5e6, cpu_us_per_operation: 120, parts,
    closes: null, takes_from: null, pause_ms: null, p99_ms: null, calls_per_operation: 5, faults_per_second: 10, reason: null, ...more});
  return {
    ablation: {...run, verdict: null, ablation: {hours: 6, rows: [row('none', {}), row('only-query', {closes: {part: 'requested', bytes: 1e7}}),
      row('wrong-trim-often', {outcome: 'oom_killed', died_at_hours: 6.1, reason: 'used pages are not unused'})]}},
    pauses: {...run, lab: 'another_lab', arms: run.arms.map((arm) => ({...arm, latency_series: [1, 2, 3].map((t) => ({t, p50_us: 100, p99_us: 1000 * t, max_us: 5000})),
      pauses: {count: 2, mean_period_s: 1.5, p50_ms: 3, max_ms: 4, total_ms: 7, threshold_us: 1000, by_cause: {purge: 4, fault: 3}, series: [[1, 4, 'purge'], [2.5, 3, 'fault']], dropped: 0}}))},
  };
}

async function open(options = {}) {
  const opened = await newPage(browser, {offline: true, ...options});
  opened.page.on('request', (request) => request.url().startsWith('http') && opened.complaints.push(`asked for ${request.url()}`));
  await opened.page.goto(pathToFileURL(file('report.html')).href);
  await opened.page.waitForSelector('footer');
  return opened;
}

before(async () => {
  // The limit is real, so that one arm dies of it; the verdict does not hold at this length, hence status 1.
  const run = spawnSync(orderService, ['--hours', '0.4', '--memory-limit', '192MiB', '--json', file('run.json'), '--profile', file('profiles')], {encoding: 'utf8'});
  assert.ok(run.status === 0 || run.status === 1, run.stderr);
  result = JSON.parse(readFileSync(file('run.json')));
  const {ablation, pauses} = withAblationAndPauses(result);
  writeFileSync(file('ablation.json'), JSON.stringify(ablation));
  writeFileSync(file('pauses.json'), JSON.stringify(pauses));
  execFileSync(orderBatch, ['run', '--fix', 'all,-ownership,-group_commit', '--orders-total', '600', '--partner-ms', '2', '--json', file('batch.json'), '--profile', file('batch')]);
  execFileSync(report, ['run.json', 'ablation.json', 'pauses.json', 'batch.json', '-o', 'report.html'], {cwd: folder});
  browser = await launch();
});

after(async () => {
  await browser?.close();
  rmSync(folder, {recursive: true, force: true});
});

test('every chart is drawn, and nothing is complained about or fetched', async () => {
  const {page, complaints, close} = await open();
  const charts = await page.locator('.chart').all();
  assert.ok(charts.length >= 12, `${charts.length} charts`);
  for (const chart of charts) {
    await chart.scrollIntoViewIfNeeded();
    const label = await chart.getAttribute('aria-label');
    assert.ok((await chart.locator('svg path').count()) >= 3, `an empty chart: ${label}`);
    assert.doesNotMatch(await chart.locator('svg').innerHTML(), /NaN|undefined|Infinity/, label);
  }
  assert.deepEqual(complaints, []);
  assert.ok(statSync(file('report.html')).size < 10e6);
  await close();
});

test('the table holds the figures of the JSON', async () => {
  const {page, close} = await open();
  const rows = await page.locator('#order_service-targets tbody tr').evaluateAll((all) =>
    all.map((row) => [...row.children].map((cell) => [cell.dataset.value, cell.textContent])));
  assert.equal(rows.length, result.verdict.rows.length);
  result.verdict.rows.forEach((expected, i) => {
    const shown = ['before', 'after', 'improvement'].map((name, column) => ({name, value: expected[name], cell: rows[i][column + 1]}));
    for (const {name, value, cell} of shown) {
      assert.equal(cell[0], value === null ? '' : String(value), `${expected.metric}, ${name}`);
      const text = Number(cell[1].replaceAll(',', '').replace('−', '-').replace(/[ %]/g, ''));
      if (value === null) assert.equal(cell[1], '–');
      else assert.ok(Math.abs(text - value) <= Math.max(Math.abs(value) * 0.06, 0.05), `${expected.metric}, ${name}: ${cell[1]} for ${value}`);
    }
  });
  await close();
});

test('a chart has its figures as a table', async () => {
  const {page, close} = await open();
  await page.locator('#order_service-rss summary').click();
  const cells = await page.locator('#order_service-rss tbody tr:first-child > *').evaluateAll((all) => all.map((cell) => cell.dataset.value));
  const arm = result.arms[0];
  assert.deepEqual(cells, [arm.name, ...[arm.memory.series[0].t, arm.memory.series[0].rss, arm.limit.bytes].map(String)]);
  await close();
});

test('the parts of RSS are those of the JSON, in its words', async () => {
  const {page, close} = await open();
  const rows = await page.locator('#order_service-memory table', {hasText: 'what can close each part'}).locator('tbody tr')
    .evaluateAll((all) => all.map((row) => [...row.children].map((cell) => cell.dataset.value)));
  const ends = result.arms.map((arm) => arm.memory.series.at(-1));
  const expected = result.waterfall.filter(({id}) => ends.some((end) => end.parts[id] !== undefined))
    .map((part) => [part.name, ...ends.map((end) => String(end.parts[part.id] ?? '')), part.meaning, part.closed_by, part.not_closed_by]);
  assert.ok(expected.length >= 6);
  assert.deepEqual(rows.slice(0, -1), expected);
  for (const end of ends) assert.equal(Object.values(end.parts).reduce((sum, bytes) => sum + bytes), end.rss);
  await page.locator('#order_service-ablation summary').first().click();
  assert.match(await page.locator('#order_service-ablation tbody').first().textContent(), /only-query.*requested10 MB/);
  await close();
});

test('the flame graph zooms, searches and compares', async () => {
  const {page, complaints, close} = await open();
  const flame = page.locator('#order_service-flame');
  await flame.scrollIntoViewIfNeeded();
  const frames = flame.locator('g.frame');
  await frames.first().waitFor();
  const width = (frame) => frame.locator('rect').evaluate((rect) => rect.getBoundingClientRect().width);
  const whole = await width(frames.first());
  const widths = await frames.evaluateAll((all) => all.map((g) => [g.getAttribute('name'), Number(g.getAttribute('width'))]));
  const [name] = widths.find(([, w]) => w < whole * 0.9 && w > whole * 0.1);
  const narrow = flame.locator(`g.frame[name=${JSON.stringify(name)}]`).first();
  await narrow.click();
  await page.waitForFunction(([id, wanted, full]) => [...document.querySelectorAll(`#${id} g.frame`)].some((g) => g.getAttribute('name') === wanted && g.querySelector('rect').getBoundingClientRect().width > full * 0.98),
    ['order_service-flame', name, whole]);
  await flame.getByRole('button', {name: 'Reset zoom'}).click();
  await page.locator('#order_service-flame-search').fill(name.slice(0, 12));
  assert.match(await flame.locator('output').nth(1).textContent(), /% of the whole/);
  const other = await page.locator('#order_service-flame-against option').nth(1).getAttribute('value');
  await page.locator('#order_service-flame-against').selectOption(other);
  assert.match(await flame.locator('figcaption').textContent(), /against/);
  assert.deepEqual(complaints, []);
  await close();
});

test('a matrix shows which threads free whose memory, workers together', async () => {
  const {page, complaints, close} = await open();
  const matrix = page.locator('#order_batch-crossings table.crossings');
  await matrix.scrollIntoViewIfNeeded();
  assert.match(await matrix.locator('caption').textContent(), /run, crossfree: .+ were freed by another thread/);
  const columns = await matrix.locator('thead th').allTextContents();
  const workers = columns.findIndex((name) => /^worker \(\d+ threads\)$/.test(name));
  assert.ok(workers > 0, columns.join());
  const row = matrix.locator('tbody tr', {has: page.getByRole('rowheader', {name: /^reader \d+$/})});
  const cell = row.locator('td').nth(workers - 1);
  assert.ok(Number(await cell.getAttribute('data-value')) > 1e5);
  assert.notEqual(await cell.evaluate((td) => getComputedStyle(td).backgroundColor), 'rgba(0, 0, 0, 0)');
  await page.locator('#order_batch-flame-profile').selectOption({label: 'run, temporaries'});
  await page.locator('#order_batch-flame figcaption', {hasText: 'in such blocks'}).waitFor();
  assert.deepEqual(complaints, []);
  await close();
});

test('dark and light, by the system and by the button', async () => {
  const {page, close} = await open({colorScheme: 'dark'});
  const background = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  const line = () => page.locator('#order_service-rss svg path[stroke-width="2.5"]').first().getAttribute('stroke');
  const [darkBackground, darkLine] = [await background(), await line()];
  await page.locator('#theme').click();
  assert.notEqual(await background(), darkBackground);
  assert.notEqual(await line(), darkLine);
  await close();
});

test('a narrow window needs no sideways scrolling', async () => {
  const {page, complaints, close} = await open({viewport: {width: 400, height: 800}});
  for (const chart of await page.locator('.chart').all()) await chart.scrollIntoViewIfNeeded();
  assert.ok((await page.evaluate(() => document.documentElement.scrollWidth)) <= 400);
  assert.deepEqual(complaints, []);
  await close();
});
