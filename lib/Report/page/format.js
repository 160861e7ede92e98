// Numbers and names for people.

/** A number with so many significant digits and no needless zeros. */
function digits(value, count = 4) {
  if (!Number.isFinite(value)) return String(value);
  const text = Number(value.toPrecision(count));
  return Math.abs(text) >= 1e6 || (text !== 0 && Math.abs(text) < 1e-4) ? text.toExponential() : text.toString();
}

/** The unit in which `scale` seconds is a handy number: [seconds in one, name]. */
function secondsUnit(scale) {
  for (const unit of [[1, 's'], [1e-3, 'ms'], [1e-6, 'µs']])
    if (scale >= unit[0]) return unit;
  return scale > 0 ? [1e-9, 'ns'] : [1, 's'];
}

function seconds(value, count = 5) {
  const [unit, name] = secondsUnit(Math.abs(value));
  return `${digits(value / unit, count)} ${name}`;
}

function bytes(value) {
  const names = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB', 'EiB'];
  let i = 0;
  while (Math.abs(value) >= 1024 && i < names.length - 1) {
    value /= 1024;
    ++i;
  }
  return `${digits(value)} ${names[i]}`;
}

const percent = (fraction) => `${(100 * fraction).toFixed(2)}%`;

/** About `wanted` round numbers from `low` to `high`. */
function ticksBetween(low, high, wanted, factors = [1, 2, 5]) {
  const span = high - low;
  if (!(span > 0)) return { step: 1, values: [low] };
  const power = Math.pow(10, Math.floor(Math.log10(span / wanted)));
  const step = [...factors.map((f) => f * power), 10 * power].find((s) => span / s <= wanted) ?? 10 * power;
  const values = [];
  for (let i = Math.ceil(low / step); i * step <= high * (1 + 1e-12); ++i) values.push(i * step);
  return { step, values };
}

/** An element with text (never markup) and children. */
function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith('on')) made.addEventListener(name.slice(2), value);
    else if (name === 'style') Object.assign(made.style, value);
    else if (value !== false && value != null) made.setAttribute(name, value === true ? '' : value);
  }
  made.append(...children.filter((child) => child != null));
  return made;
}
