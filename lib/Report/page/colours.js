// Colours that differ for colour-blind eyes too (after Okabe and Ito), light enough or dark enough for their labels in
// both themes. By component * 4 + phase.

const kindColours = [
  '#5ab4e8', '#1f6fb5', '#12967a', '', // F, B, W
  '#f2c14e', '#d9622b', '', '', // EF, EB
  '#e3a8c8', '#a8478a', '', '#c872a6', // GF, GB, -, G
];
const kindInk = ['#06263a', '#ffffff', '#ffffff', '', '#3a2a00', '#ffffff', '', '', '#3c0f2b', '#ffffff', '', '#2d0620'];
const kindTitles = [
  'LLM forward', 'LLM backward', 'LLM weight gradient', '',
  'Encoder forward', 'Encoder backward', '', '',
  'Generator forward', 'Generator backward', '', 'Generator',
];

const classColours = new Map([
  ['LLM activations', '#3d8fcf'],
  ['waiting weight gradients', '#12967a'],
  ['encoder activations', '#eab03a'],
  ['generator activations', '#c872a6'],
  ['parameters', '#6b7a90'],
  ['gradients', '#9aa7b8'],
  ['optimizer', '#4a566a'],
  ['transfers', '#5ec4b0'],
  ['workspace', '#b58d6a'],
  ['inputs', '#c9b458'],
]);
const spareColours = ['#8a6fc0', '#7fa650', '#b0605a', '#5b9aa0'];

/** The colour of a memory class: its own, or by number for one that this page does not know. */
function classColour(name, index) {
  return classColours.get(name) ?? spareColours[index % spareColours.length];
}

const rgbOf = (hex) => [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16));
const kindRgb = kindColours.map((hex) => (hex ? rgbOf(hex) : [0, 0, 0]));

/** The theme's colours, for canvases. */
function themeColours() {
  const style = getComputedStyle(document.documentElement);
  const colours = {};
  for (const name of ['card', 'text', 'muted', 'line', 'idle', 'accent', 'limit', 'shade', 'good'])
    colours[name] = style.getPropertyValue(`--${name}`).trim();
  return colours;
}
