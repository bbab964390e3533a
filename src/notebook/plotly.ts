/**
 * Plotly without a browser: figures drawn in jsdom, as SVG, and from there as PNG. What jsdom lacks and Plotly asks for is
 * put there: the size of text (estimated from its length, so figures have fixed margins), and a canvas, into which Plotly
 * paints the cells of heat maps.
 */
import { readFileSync } from 'node:fs';
import { crc32, deflateSync } from 'node:zlib';
import sharp from 'sharp';
import { loadPackage, packagePath } from '../util/optional-package';

/** A Plotly figure as plain data: see plotly.com/javascript/reference. */
export interface FigureData {
  readonly data: readonly Readonly<Record<string, unknown>>[];
  readonly layout: Readonly<Record<string, unknown>>;
}

export interface Size {
  readonly width: number;
  readonly height: number;
}

/** The bundle for axes of two dimensions, heat maps included: minified, to be evaluated in a page. */
export function plotlySource(): string {
  return readFileSync(packagePath('plotly.js-cartesian-dist-min/plotly-cartesian.min.js'), 'utf8');
}

/** Pixels of the PNG for one of the figure's. */
const DENSITY = 1.5;

/** @returns a PNG file, few colours, as figures have */
export async function renderPng(figure: FigureData, size: Size): Promise<Buffer> {
  const svg = await renderSvg(figure, size);
  return sharp(Buffer.from(svg), { density: 72 * DENSITY })
    .flatten({ background: '#fff' })
    .png({ palette: true, compressionLevel: 9 })
    .toBuffer();
}

export async function renderSvg({ data, layout }: FigureData, { width, height }: Size): Promise<string> {
  const page = (shared ??= openPage());
  const div = page.document.createElement('div');
  page.document.body.appendChild(div);
  try {
    // Plotly writes into what it is given.
    const given = JSON.parse(JSON.stringify({ data, layout: { ...layout, width, height } })) as FigureData;
    await page.Plotly.newPlot(div, given.data, given.layout, { staticPlot: true });
    const url = await page.Plotly.toImage(div, { format: 'svg', width, height, imageDataOnly: true });
    return url.startsWith('<svg') ? url : decodeURIComponent(url);
  } finally {
    page.Plotly.purge(div);
    div.remove();
  }
}

/** What is used of jsdom's window. */
interface Page {
  readonly document: {
    createElement(tag: string): PageElement;
    readonly body: { appendChild(child: PageElement): void };
  };
  readonly Plotly: {
    newPlot(div: PageElement, data: unknown, layout: unknown, config: unknown): Promise<unknown>;
    toImage(div: PageElement, options: unknown): Promise<string>;
    purge(div: PageElement): void;
  };
}

interface PageElement {
  readonly tagName: string;
  readonly textContent: string | null;
  getAttribute(name: string): string | null;
  remove(): void;
}

let shared: Page | undefined;

function openPage(): Page {
  const { JSDOM } = loadPackage<{
    JSDOM: new (html: string, options: object) => { readonly window: Window };
  }>('jsdom');
  interface Window extends Page {
    eval(code: string): void;
    readonly URL: { createObjectURL: () => string };
    readonly Element: { readonly prototype: object };
    readonly SVGElement: { readonly prototype: object };
    readonly HTMLCanvasElement: { readonly prototype: object };
  }
  const { window } = new JSDOM('<body></body>', { pretendToBeVisual: true, runScripts: 'outside-only' });
  window.URL.createObjectURL = () => '';
  const width = (element: PageElement): number => (element.textContent ?? '').length * CHARACTER;
  /** A text lies about its anchor, and mostly above its base line. */
  const place = (element: PageElement): { readonly left: number; readonly top: number } => {
    if (element.tagName.toLowerCase() !== 'text') return { left: 0, top: 0 };
    const share = { start: 0, middle: 0.5, end: 1 }[element.getAttribute('text-anchor') ?? 'start'] ?? 0;
    return { left: -share * width(element), top: -ASCENT };
  };
  Object.assign(window.SVGElement.prototype, {
    getBBox(this: PageElement) {
      return { x: place(this).left, y: -ASCENT, width: width(this), height: LINE };
    },
    getComputedTextLength(this: PageElement) {
      return width(this);
    },
  });
  Object.assign(window.Element.prototype, {
    getBoundingClientRect(this: PageElement) {
      const { left, top } = place(this);
      const size = { width: width(this), height: LINE };
      return { ...size, x: left, y: top, left, top, right: left + size.width, bottom: top + LINE };
    },
  });
  Object.assign(window.HTMLCanvasElement.prototype, {
    getContext(this: Size & { painted?: Painted }) {
      return (this.painted ??= new Painted(this)).context;
    },
    toDataURL(this: Size & { painted?: Painted }) {
      return `data:image/png;base64,${(this.painted ?? new Painted(this)).png().toString('base64')}`;
    },
  });
  window.eval(plotlySource());
  return window;
}

/** Pixels of an average character and of a line of Plotly's 12-pixel text. */
const CHARACTER = 6.5;
const LINE = 14;
/** Of the line, above the base line. */
const ASCENT = 11;

/** The pixels of a canvas, with as much of its drawing as Plotly's heat maps and images use. */
class Painted {
  readonly pixels: Uint8ClampedArray;

  constructor(private readonly canvas: Size) {
    this.pixels = new Uint8ClampedArray(canvas.width * canvas.height * 4);
  }

  get context(): object {
    const { pixels, canvas } = this;
    const drawing = {
      canvas,
      fillStyle: '#000',
      fillRect(left: number, top: number, width: number, height: number) {
        const colour = parseColour(this.fillStyle);
        for (let y = Math.max(0, top); y < Math.min(canvas.height, top + height); y++) {
          for (let x = Math.max(0, left); x < Math.min(canvas.width, left + width); x++) {
            pixels.set(colour, (y * canvas.width + x) * 4);
          }
        }
      },
      createImageData: (width: number, height: number) => ({
        width,
        height,
        data: new Uint8ClampedArray(width * height * 4),
      }),
      getImageData: () => ({ ...canvas, data: pixels }),
      putImageData: (image: { data: Uint8ClampedArray }) => pixels.set(image.data.subarray(0, pixels.length)),
      measureText: (text: string) => ({ width: text.length * CHARACTER }),
    };
    // What else there is to a context draws nothing that figures need.
    return new Proxy(drawing, {
      get: (target, key): unknown => Reflect.get(target, key) ?? (() => undefined),
    });
  }

  png(): Buffer {
    const { width, height } = this.canvas;
    const header = Buffer.alloc(13);
    header.writeUInt32BE(width, 0);
    header.writeUInt32BE(height, 4);
    header.set([8, 6, 0, 0, 0], 8); // 8 bits, RGBA
    const lines = Buffer.alloc((width * 4 + 1) * height); // each behind a byte for "no filter"
    for (let y = 0; y < height; y++) {
      lines.set(this.pixels.subarray(y * width * 4, (y + 1) * width * 4), y * (width * 4 + 1) + 1);
    }
    return Buffer.concat([
      Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]),
      chunk('IHDR', header),
      chunk('IDAT', deflateSync(lines)),
      chunk('IEND', Buffer.alloc(0)),
    ]);
  }
}

function chunk(type: string, content: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), content]);
  const out = Buffer.alloc(body.length + 8);
  out.writeUInt32BE(content.length, 0);
  body.copy(out, 4);
  out.writeUInt32BE(crc32(body), body.length + 4);
  return out;
}

/** "#rgb", "#rrggbb", "rgb(r,g,b)" or "rgba(r,g,b,a)" as four bytes. */
function parseColour(css: string): number[] {
  if (css.startsWith('#')) {
    const digits = css.length === 4 ? css.slice(1).replace(/./g, '$&$&') : css.slice(1);
    return [0, 2, 4].map((i) => parseInt(digits.slice(i, i + 2), 16)).concat(255);
  }
  const [r = 0, g = 0, b = 0, a = 1] = (css.match(/[\d.]+/g) ?? []).map(Number);
  return [r, g, b, a * 255];
}
