/**
 * Figures that show everywhere: each a PNG made here (GitHub, nbconvert, a notebook that is not trusted), and in a live
 * notebook, after `setup`, also Plotly's interactive form, which takes the picture's place where scripts run. Nothing is
 * fetched: `setup` puts Plotly into the notebook once, compressed.
 */
import { randomUUID } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import { DISPLAY, text, type Bundle, type Displayable } from './kernel';
import { plotlySource, renderPng, type FigureData, type Size } from './plotly';

const SIZE: Size = { width: 720, height: 400 };

/** Okabe and Ito's colours, which colour-blind readers tell apart. */
export const COLOURS = ['#0072b2', '#d55e00', '#009e73', '#cc79a7', '#e69f00', '#56b4e9', '#000000'];

const STYLE = {
  font: { family: 'sans-serif', size: 12 },
  colorway: COLOURS,
  margin: { l: 70, r: 30, t: 50, b: 60 },
  plot_bgcolor: '#fff',
  paper_bgcolor: '#fff',
};
/** Small enough for the titles of tables over the width of a figure. */
const TITLE = { size: 14 };
const AXIS = { gridcolor: '#ddd', linecolor: '#888', zerolinecolor: '#bbb', ticks: 'outside' };

export class Figure implements FigureData, Displayable {
  readonly layout: FigureData['layout'];

  constructor(
    readonly data: FigureData['data'],
    layout: FigureData['layout'] = {},
  ) {
    const { title } = layout as { title?: string | object };
    const titled = typeof title === 'object' ? { title: { font: TITLE, ...title } } : {};
    const axes = Object.keys(layout).filter((key) => /^[xy]axis\d*$/.test(key));
    this.layout = {
      ...STYLE,
      ...layout,
      ...titled,
      ...Object.fromEntries(
        [...new Set(['xaxis', 'yaxis', ...axes])].map((key) => [
          key,
          { ...AXIS, ...(layout[key] as object) },
        ]),
      ),
    };
  }

  get size(): Size {
    return { ...SIZE, ...(this.layout as Partial<Size>) };
  }

  /** A PNG file, 1.5 pixels for one of the figure's. */
  png(): Promise<Buffer> {
    return renderPng(this, this.size);
  }

  async [DISPLAY](): Promise<Bundle> {
    const png = (await this.png()).toString('base64');
    const { data, layout } = this;
    const bundle = { 'text/plain': this.title, 'image/png': png };
    return interactive
      ? { ...bundle, 'text/html': html(this, png) }
      : // JupyterLab with Plotly's extension and VS Code draw this; everything else shows the picture.
        { ...bundle, 'application/vnd.plotly.v1+json': { data, layout } };
  }

  private get title(): string {
    const { title } = this.layout as { title?: string | { text?: string } };
    const words = typeof title === 'string' ? title : title?.text;
    return `figure: ${words ?? 'untitled'}`;
  }
}

/** A Plotly figure in the kit's style. It shows itself as a cell's last value, or by `show`. */
export function figure(data: FigureData['data'], layout?: FigureData['layout']): Figure {
  return new Figure(data, layout);
}

let interactive = false;

/** Plotly for the whole notebook; figures made from now on have an interactive form. */
export function interactiveFigures(): Displayable {
  interactive = true;
  const code = gzipSync(plotlySource(), { level: 9 }).toString('base64');
  return text(
    "figures are interactive (Plotly's code is part of this output)",
    `<script>(function () {
  const page = (window.mimicsrFigures ??= { waiting: [] });
  const bytes = Uint8Array.from(atob('${code}'), (c) => c.charCodeAt(0));
  const unpacked = new Blob([bytes]).stream().pipeThrough(new DecompressionStream('gzip'));
  new Response(unpacked).text().then((source) => {
    // The notebook's page may have a module loader, which would keep the library to itself.
    new Function('define', 'module', 'exports', 'require', source + '\\n;this.Plotly ??= Plotly;').call(window);
    page.Plotly = window.Plotly;
    for (const draw of page.waiting.splice(0)) draw(page.Plotly);
  });
})();</script><small>Figures are interactive: zoom by dragging, read values by pointing.</small>`,
  );
}

/** For a notebook whose outputs are to be committed: pictures alone. */
export function staticFigures(): void {
  interactive = false;
}

function html({ data, layout, size }: Figure, png: string): string {
  const id = `figure-${randomUUID()}`;
  const json = JSON.stringify([data, layout]).replace(/</g, '\\u003c');
  return `<div id="${id}" style="width:${size.width}px;height:${size.height}px"><img src="data:image/png;base64,${png}" width="${size.width}"></div>
<script>(function () {
  const page = (window.mimicsrFigures ??= { waiting: [] });
  const [data, layout] = ${json};
  const draw = (Plotly) => {
    const place = document.getElementById('${id}');
    if (place === null) return;
    place.replaceChildren();
    Plotly.newPlot(place, data, layout, { displaylogo: false, responsive: true });
  };
  if (page.Plotly) draw(page.Plotly);
  else page.waiting.push(draw);
})();</script>`;
}
