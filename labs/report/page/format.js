// Figures as people read them. What was not measured is a dash.
const dash = '–';
const grouped = new Map();

function fixed(value, digits) {
  if (!grouped.has(digits)) {
    grouped.set(digits, new Intl.NumberFormat('en-US', {minimumFractionDigits: digits, maximumFractionDigits: digits}));
  }
  return grouped.get(digits).format(value).replace('-', '−');
}

// Three digits or so, as the labs' own tables print them.
export function number(value) {
  if (value === null || value === undefined || !Number.isFinite(value)) return dash;
  const size = Math.abs(value);
  if (Number.isInteger(value) && size < 1e15) return fixed(value, 0);
  if (size >= 100) return fixed(value, 0);
  if (size >= 10) return fixed(value, 1);
  if (size >= 0.1 || size === 0) return fixed(value, 2);
  return Number(value.toPrecision(2)).toString().replace('-', '−');
}

// With as many digits as it takes for 99.97 not to look like 100.
export function percent(value) {
  if (value === null || value === undefined) return dash;
  let digits = 1;
  while (digits < 4 && Math.abs(value) !== 100 && Math.abs(Number(value.toFixed(digits))) === 100) ++digits;
  return `${value > 0 ? '+' : ''}${fixed(value, digits)} %`;
}

export const mb = (bytes) => (bytes === null || bytes === undefined ? dash : `${number(rounded(bytes / 1e6))} MB`);

const rounded = (value) => (Math.abs(value) >= 100 ? Math.round(value) : value);

export function bytes(value) {
  if (value === null || value === undefined) return dash;
  const size = Math.abs(value);
  if (size >= 1e9) return `${fixed(value / 1e9, 2)} GB`;
  if (size >= 1e6) return `${number(rounded(value / 1e6))} MB`;
  if (size >= 1e3) return `${number(rounded(value / 1e3))} kB`;
  return `${fixed(value, 0)} B`;
}

export function microseconds(value) {
  if (value === null || value === undefined) return dash;
  if (value >= 1e6) return `${number(value / 1e6)} s`;
  if (value >= 1e3) return `${number(value / 1e3)} ms`;
  return `${number(value)} µs`;
}

// An axis of simulated time, with whole steps.
export function timeAxis(seconds, label = 'simulated ') {
  const unit = timeUnit(seconds);
  const span = seconds / unit.seconds;
  const step = [0.1, 0.2, 0.5, 1, 2, 3, 4, 6, 12, 24, 48].find((s) => span / s <= 8) ?? span / 8;
  const end = Math.ceil(span / step - 1e-6) * step;
  return {type: 'value', name: `${label}${unit.name}`, nameLocation: 'middle', nameGap: 28, min: 0, max: end, interval: step,
    axisLabel: {formatter: (x) => `${+x.toFixed(1)}`}};
}

// The unit in which a span of simulated time is told.
export function timeUnit(seconds) {
  if (seconds > 2 * 3600) return {name: 'hours', short: 'h', seconds: 3600};
  if (seconds > 180) return {name: 'minutes', short: 'min', seconds: 60};
  return {name: 'seconds', short: 's', seconds: 1};
}

export const duration = (seconds) => {
  const unit = timeUnit(seconds);
  return `${number(Math.round((seconds / unit.seconds) * 100) / 100)} ${unit.short}`;
};

export const sentence = (text) => text.charAt(0).toUpperCase() + text.slice(1) + (/[.!?]$/.test(text) ? '' : '.');
