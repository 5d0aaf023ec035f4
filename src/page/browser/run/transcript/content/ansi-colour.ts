/** Red, green and blue, 0 to 255. */
export type Rgb = readonly [number, number, number];

/** Values for the style of an element: computed numbers, never words of the text. */
export interface ColourStyle {
  readonly color: string;
  readonly backgroundColor?: string;
}

/** Contrast of text (WCAG 2.2 AA). */
const CONTRAST = 4.5;

/**
 * Relative luminance of the darkest ground of the light page and of the lightest one of the dark page that text stands on. Text
 * that can be read on these can be read on all.
 */
const LIGHT_GROUND = 0.8;
const DARK_GROUND = 0.035;

/** Below it white can be read on a ground, above it black. */
const MIDDLE = 0.18;

/** The sixteen colours that have names, bright ones behind the others. */
const NAMED: readonly Rgb[] = [
  [0, 0, 0],
  [205, 49, 49],
  [22, 160, 93],
  [200, 160, 0],
  [36, 114, 200],
  [188, 63, 188],
  [17, 150, 180],
  [205, 205, 205],
  [102, 102, 102],
  [241, 76, 76],
  [35, 209, 139],
  [245, 220, 67],
  [59, 142, 234],
  [214, 112, 214],
  [41, 184, 219],
  [255, 255, 255],
];

/** Of the palette of 256: sixteen with names, a cube of 216, and 24 greys. */
export function paletteColour(index: number): Rgb | undefined {
  if (!Number.isInteger(index) || index < 0 || index > 255) return undefined;
  if (index < 16) return NAMED[index];
  if (index >= 232) {
    const grey = 8 + (index - 232) * 10;
    return [grey, grey, grey];
  }
  const at = index - 16;
  const step = (value: number): number => (value === 0 ? 0 : 55 + value * 40);
  return [step(Math.floor(at / 36)), step(Math.floor(at / 6) % 6), step(at % 6)];
}

/** A colour on the ground of the page, darker or lighter where it could not be read; with a ground of its own, on that. */
export function styleOf(text: Rgb | undefined, ground: Rgb | undefined): ColourStyle | undefined {
  if (ground !== undefined) {
    const own = luminance(ground);
    const ink: Rgb = own > MIDDLE ? [0, 0, 0] : [255, 255, 255];
    return { color: css(readable(text ?? ink, own)), backgroundColor: css(ground) };
  }
  if (text === undefined) return undefined;
  return { color: `light-dark(${css(readable(text, LIGHT_GROUND))}, ${css(readable(text, DARK_GROUND))})` };
}

/** The nearest colour of the same hue that can be read: luminance is linear in the parts of light. */
export function readable(text: Rgb, ground: number): Rgb {
  const light = text.map(linear);
  const own = luminance(text);
  if (ground > MIDDLE) {
    const most = (ground + 0.05) / CONTRAST - 0.05;
    return own <= most
      ? text
      : rgbOf(
          light.map((part) => (part * most) / own),
          Math.floor,
        );
  }
  const least = CONTRAST * (ground + 0.05) - 0.05;
  if (own >= least) return text;
  const white = (least - own) / (1 - own);
  return rgbOf(
    light.map((part) => part + (1 - part) * white),
    Math.ceil,
  );
}

/** Relative luminance (WCAG). */
export function luminance(colour: Rgb): number {
  const [red = 0, green = 0, blue = 0] = colour.map(linear);
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

function linear(value: number): number {
  const part = value / 255;
  return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
}

function rgbOf(light: readonly number[], round: (value: number) => number): Rgb {
  const [red = 0, green = 0, blue = 0] = light.map((part) => {
    const value = part <= 0.0031308 ? part * 12.92 : 1.055 * part ** (1 / 2.4) - 0.055;
    return Math.min(255, Math.max(0, round(value * 255)));
  });
  return [red, green, blue];
}

function css(colour: Rgb): string {
  return `rgb(${colour.map(Math.round).join(' ')})`;
}
