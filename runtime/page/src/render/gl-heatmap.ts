import { type BinStore, NO_TICK } from "../model/bin-store";
import { COLOUR_STEPS, colourTable } from "../model/colour-map";
import { type Field, fieldValues } from "../model/fields";
import { xOf } from "../model/scales";
import type { Seq } from "../model/units";
import { FRAGMENT, VERTEX } from "./gl-shaders";
import type { Heatmap } from "./heatmap";
import { rgbOf } from "./palette";
import type { Scene } from "./scene";
import { fit } from "./surface";

const BIN_NUMBERS = 4;

/**
 * The heatmap in WebGL2. The cells lie in a ring texture with a row for each slot of the store; a new bin is one row
 * uploaded. Moving, zooming and changing the colours cost no upload, another field or store costs all rows.
 */
export class GlHeatmap implements Heatmap {
  readonly kind = "webgl2";
  readonly mostBins: number;
  readonly #canvas: HTMLCanvasElement;
  readonly #gl: WebGL2RenderingContext;
  #parts: Parts;
  #store: BinStore | null = null;
  #field: Field | null = null;
  #revision = 0;
  #colours = "";
  #drawn = "";
  #values = new Float32Array(0);
  #numbers = new Int32Array(0);

  constructor(canvas: HTMLCanvasElement, gl: WebGL2RenderingContext) {
    this.#canvas = canvas;
    this.#gl = gl;
    this.#parts = makeParts(gl);
    gl.enable(gl.SCISSOR_TEST);
    this.mostBins = gl.getParameter(gl.MAX_TEXTURE_SIZE) as number;
    canvas.addEventListener("webglcontextlost", (event) => event.preventDefault());
    canvas.addEventListener("webglcontextrestored", () => this.#restore());
  }

  draw(scene: Scene): void {
    const gl = this.#gl;
    if (gl.isContextLost()) return;
    const { map } = scene.layout;
    fit(this.#canvas, map.width, map.height);
    const oldest = this.#upload(scene.store, scene.field);
    this.#uploadColours(scene);
    gl.viewport(0, 0, map.width, map.height);
    gl.useProgram(this.#parts.program);
    setUniforms(gl, this.#parts, scene);
    this.#limitTo(scene, oldest);
    gl.drawArrays(gl.TRIANGLES, 0, 3);
  }

  /** Where all else is as it was, draw only from the oldest bin on that is new: the picture before it is kept. */
  #limitTo(scene: Scene, oldest: Seq): void {
    const { view, layout, field, range, curve, palette, store, head } = scene;
    const { map } = layout;
    const drawn = [view.right, view.bins, view.centre, view.ticks, map.width, map.height, range, curve];
    const names = [field.name, palette.theme, head === store.last];
    const now = [...drawn, ...names].join(" ");
    const isSame = now === this.#drawn && head === store.last;
    this.#drawn = now;
    const x = isSame ? Math.min(Math.max(Math.floor(xOf(oldest, view, map)) - 1, 0), map.width) : 0;
    this.#gl.scissor(x, 0, map.width - x, map.height);
  }

  #restore(): void {
    this.#parts = makeParts(this.#gl);
    this.#gl.enable(this.#gl.SCISSOR_TEST);
    this.#store = null;
    this.#colours = "";
    this.#drawn = "";
  }

  /** Upload what is new, and return the oldest bin of it. */
  #upload(store: BinStore, field: Field): Seq {
    const isNew = store !== this.#store;
    if (isNew) this.#allocate(store);
    const slots = isNew || field !== this.#field ? null : store.writtenSince(this.#revision);
    this.#store = store;
    this.#field = field;
    this.#revision = store.revision;
    if (slots === null) {
      this.#uploadRows(store, field, 0, store.shape.capacity);
      return 0;
    }
    for (const [start, count] of runs(slots)) this.#uploadRows(store, field, start, count);
    return slots.reduce((least, slot) => Math.min(least, store.seqAt(slot)), store.last ?? 0);
  }

  #allocate(store: BinStore): void {
    const { capacity } = store.shape;
    this.#values = new Float32Array(capacity * store.cellsPerBin);
    this.#numbers = new Int32Array(capacity * BIN_NUMBERS);
    const gl = this.#gl;
    bind(gl, 0, this.#parts.cells);
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.R32F, store.cellsPerBin, capacity, 0, gl.RED, gl.FLOAT, null);
    bind(gl, 1, this.#parts.bins);
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA32I, 1, capacity, 0, gl.RGBA_INTEGER, gl.INT, null);
  }

  #uploadRows(store: BinStore, field: Field, start: number, count: number): void {
    const [gl, width] = [this.#gl, store.cellsPerBin];
    for (let i = 0; i < count; i++) {
      const slot = start + i;
      fieldValues(field, store, slot, this.#values, i * width);
      const spot = store.hasCells(slot) ? (store.spotTick[slot] as number) : NO_TICK;
      this.#numbers.set([store.seqAt(slot) - store.origin, spot, store.bookValid[slot] as number], i * BIN_NUMBERS);
    }
    bind(gl, 0, this.#parts.cells);
    gl.texSubImage2D(gl.TEXTURE_2D, 0, 0, start, width, count, gl.RED, gl.FLOAT, this.#values);
    bind(gl, 1, this.#parts.bins);
    gl.texSubImage2D(gl.TEXTURE_2D, 0, 0, start, 1, count, gl.RGBA_INTEGER, gl.INT, this.#numbers);
  }

  #uploadColours({ field, palette }: Scene): void {
    const name = `${field.kind} ${palette.theme}`;
    if (name === this.#colours) return;
    this.#colours = name;
    const gl = this.#gl;
    bind(gl, 2, this.#parts.colours);
    const table = colourTable(field.kind, palette.theme);
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA8, COLOUR_STEPS, 1, 0, gl.RGBA, gl.UNSIGNED_BYTE, table);
  }
}

/** Return consecutive slots as [first, count], so that a burst of bins is one upload or two. */
export function runs(slots: Int32Array): [number, number][] {
  const found: [number, number][] = [];
  for (const slot of slots) {
    const last = found.at(-1);
    if (last !== undefined && slot === last[0] + last[1]) last[1] += 1;
    else found.push([slot, 1]);
  }
  return found;
}

interface Parts {
  readonly program: WebGLProgram;
  readonly cells: WebGLTexture;
  readonly bins: WebGLTexture;
  readonly colours: WebGLTexture;
  readonly uniform: (name: string) => WebGLUniformLocation | null;
}

function makeParts(gl: WebGL2RenderingContext): Parts {
  const program = gl.createProgram();
  for (const [kind, source] of [
    [gl.VERTEX_SHADER, VERTEX],
    [gl.FRAGMENT_SHADER, FRAGMENT],
  ] as const) {
    const shader = gl.createShader(kind);
    if (shader === null) break;
    gl.shaderSource(shader, source);
    gl.compileShader(shader);
    gl.attachShader(program, shader);
  }
  gl.linkProgram(program);
  if (!gl.getProgramParameter(program, gl.LINK_STATUS) && !gl.isContextLost()) {
    throw new Error(`the heatmap's shaders do not compile here: ${gl.getProgramInfoLog(program)}`);
  }
  gl.pixelStorei(gl.UNPACK_ALIGNMENT, 1);
  const locations = new Map<string, WebGLUniformLocation | null>();
  const uniform = (name: string) => {
    if (!locations.has(name)) locations.set(name, gl.getUniformLocation(program, name));
    return locations.get(name) ?? null;
  };
  return { program, cells: makeTexture(gl), bins: makeTexture(gl), colours: makeTexture(gl), uniform };
}

function makeTexture(gl: WebGL2RenderingContext): WebGLTexture {
  const texture = gl.createTexture();
  gl.bindTexture(gl.TEXTURE_2D, texture);
  for (const name of [gl.TEXTURE_MIN_FILTER, gl.TEXTURE_MAG_FILTER]) gl.texParameteri(gl.TEXTURE_2D, name, gl.NEAREST);
  for (const name of [gl.TEXTURE_WRAP_S, gl.TEXTURE_WRAP_T]) gl.texParameteri(gl.TEXTURE_2D, name, gl.CLAMP_TO_EDGE);
  return texture;
}

function bind(gl: WebGL2RenderingContext, unit: number, texture: WebGLTexture): void {
  gl.activeTexture(gl.TEXTURE0 + unit);
  gl.bindTexture(gl.TEXTURE_2D, texture);
}

function setUniforms(gl: WebGL2RenderingContext, { uniform, cells, bins, colours }: Parts, scene: Scene): void {
  const { store, view, layout, field, palette } = scene;
  bind(gl, 0, cells);
  bind(gl, 1, bins);
  bind(gl, 2, colours);
  gl.uniform1i(uniform("cells"), 0);
  gl.uniform1i(uniform("bins"), 1);
  gl.uniform1i(uniform("colours"), 2);
  gl.uniform2i(uniform("shape"), store.shape.capacity, store.cellsPerBin);
  gl.uniform2f(uniform("size"), layout.map.width, layout.map.height);
  const left = view.right - view.bins;
  gl.uniform1i(uniform("left"), Math.floor(left) - store.origin);
  gl.uniform1f(uniform("leftPart"), left - Math.floor(left));
  gl.uniform1f(uniform("binsAcross"), view.bins);
  // The row of a tick reaches from half a tick under it to half a tick above.
  const edge = view.centre + view.ticks / 2 + 0.5;
  gl.uniform1i(uniform("top"), Math.floor(edge));
  gl.uniform1f(uniform("topPart"), Math.floor(edge) + 1 - edge);
  gl.uniform1f(uniform("ticksAcross"), view.ticks);
  gl.uniform1i(uniform("first"), (store.first ?? store.origin) - store.origin);
  gl.uniform1i(uniform("head"), scene.head - store.origin);
  gl.uniform1f(uniform("range"), scene.range);
  gl.uniform1f(uniform("curve"), scene.curve);
  gl.uniform1i(uniform("twoEnded"), field.kind === "sequential" ? 0 : 1);
  gl.uniform1i(uniform("isLog"), field.scale === "log" ? 1 : 0);
  gl.uniform1i(uniform("steps"), COLOUR_STEPS);
  gl.uniform3fv(
    uniform("paper"),
    rgbOf(palette.paper).map((part) => part / 255),
  );
  gl.uniform3fv(
    uniform("invalid"),
    rgbOf(palette.invalid).map((part) => part / 255),
  );
}
