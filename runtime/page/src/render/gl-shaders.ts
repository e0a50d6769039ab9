import { LOG_SPAN } from "../model/colour-map";

/** The shaders of the heatmap. Bins, counted from the origin of the store, and ticks are whole numbers all the way: a float has no room for them. */

export const VERTEX = `#version 300 es
void main() {
  // One triangle that covers the map.
  gl_Position = vec4(gl_VertexID == 1 ? 3.0 : -1.0, gl_VertexID == 2 ? 3.0 : -1.0, 0.0, 1.0);
}`;

/** What is drawn at once where a pixel is wider than a bin. */
export const MOST_BINS_A_PIXEL = 16;

export const FRAGMENT = `#version 300 es
precision highp float;
precision highp int;
precision highp sampler2D;
precision highp isampler2D;

uniform sampler2D cells;    // [capacity, cells]: the field
uniform isampler2D bins;    // [capacity, 1]: number of the bin, its spot tick, whether its book is valid
uniform sampler2D colours;  // [1, steps]
uniform ivec2 shape;        // capacity, cells
uniform vec2 size;          // of the map in pixels
uniform int left;           // the bin at the left edge, and the part of it that is out of sight
uniform float leftPart;
uniform float binsAcross;
uniform int top;            // the tick at the top edge, and how far the edge lies above its lower end
uniform float topPart;
uniform float ticksAcross;
uniform int first;          // bins before it are let go of
uniform int head;           // bins after it are dimmed
uniform float range;
uniform float curve;
uniform bool twoEnded;
uniform bool isLog;
uniform int steps;
uniform vec3 paper;
uniform vec3 invalid;
out vec4 colour;

void main() {
  float x = floor(gl_FragCoord.x);
  float y = size.y - 1.0 - floor(gl_FragCoord.y);
  float a = leftPart + x * binsAcross / size.x;
  float b = leftPart + (x + 1.0) * binsAcross / size.x;
  float middle = 0.5 * (a + b);
  // A pixel that is narrower than a bin shows the one at its middle, a wider one the mean of those that begin in it.
  int from = b - a <= 1.0 ? int(floor(middle)) : int(ceil(a));
  int to = b - a <= 1.0 ? from : int(ceil(b)) - 1;
  int stride = max(1, (to - from + ${MOST_BINS_A_PIXEL}) / ${MOST_BINS_A_PIXEL});
  int tick = top - int(floor((y + 0.5) * ticksAcross / size.y + topPart));
  float sum = 0.0;
  int count = 0;
  bool isInvalid = false;
  int seq = left + from;
  int slot = max(seq, 0) % shape.x;
  for (int i = from; i <= to; i += stride) {
    if (i > from) {
      seq += stride;
      slot += seq - stride < 0 ? max(seq, 0) : stride;
      if (slot >= shape.x) slot -= shape.x;
    }
    if (seq < first) continue;
    ivec4 bin = texelFetch(bins, ivec2(0, slot), 0);
    if (bin.x != seq) continue;
    isInvalid = isInvalid || bin.z == 0;
    int k = tick - bin.y + (shape.y - 1) / 2;
    if (k < 0 || k >= shape.y) continue;
    sum += texelFetch(cells, ivec2(k, slot), 0).r;
    count += 1;
  }
  vec3 shown = paper;
  if (count > 0) {
    float value = sum / float(count);
    float part = min(abs(value) / range, 1.0);
    if (isLog) part = log(1.0 + part * ${LOG_SPAN}.0) / log(${LOG_SPAN + 1}.0);
    float strength = pow(part, curve);
    float share = twoEnded ? 0.5 + 0.5 * sign(value) * strength : (value > 0.0 ? strength : 0.0);
    shown = texelFetch(colours, ivec2(int(share * float(steps - 1) + 0.5), 0), 0).rgb;
  }
  if (isInvalid && mod(gl_FragCoord.x + gl_FragCoord.y, 8.0) < 2.0) shown = mix(shown, invalid, 0.55);
  if (left + from > head) shown = mix(shown, paper, 0.6);
  colour = vec4(shown, 1.0);
}`;
