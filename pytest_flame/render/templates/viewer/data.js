// Decodes the profile in a block of the page. payload.py describes the format.
async function decode(element) {
  const size = Number(element.dataset.size);
  const packed = bytesOf(element.textContent.trim());
  const bytes = typeof DecompressionStream === "undefined" ? inflateRaw(packed, size) : await inflated(packed);
  if (bytes.length !== size) throw new Error("the data of this graph are not complete");
  return new Profile(bytes);
}

function bytesOf(text) {
  if (Uint8Array.fromBase64) return Uint8Array.fromBase64(text);
  const raw = atob(text), bytes = new Uint8Array(raw.length);
  for (let i = 0; i < raw.length; i += 1) bytes[i] = raw.charCodeAt(i);
  return bytes;
}

async function inflated(packed) {
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate-raw"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

class Reader {
  constructor(bytes, at) {
    this.bytes = bytes;
    this.at = at;
  }

  /** ``count`` unsigned LEB128 numbers, exact up to 2^53. */
  numbers(count, into = new Float64Array(count)) {
    const bytes = this.bytes;
    let at = this.at;
    for (let i = 0; i < count; i += 1) {
      let byte = bytes[at++], value = byte & 127;
      for (let factor = 128; byte & 128; factor *= 128) {
        byte = bytes[at++];
        value += (byte & 127) * factor;
      }
      into[i] = value;
    }
    this.at = at;
    return into;
  }
}

/** Each name shares a prefix with the previous one: the code of its first character is the prefix's length plus 32. */
function unpackNames(text) {
  let before = "";
  return text === "" ? [] : text.split("\n").map(entry => (before = before.slice(0, entry.charCodeAt(0) - 32) + entry.slice(1)));
}

/** One test's graph: the pool of frames, what is known of each, and the tree of both sides. */
class Profile {
  constructor(bytes) {
    const headLength = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true);
    const head = JSON.parse(new TextDecoder().decode(bytes.subarray(4, 4 + headLength)));
    const reader = new Reader(bytes, 4 + headLength);
    Object.assign(this, head.profile);
    this.unit = head.unit;
    this.modules = unpackNames(head.modules);
    this.homes = head.homes;
    this.tones = head.tones;
    this.paths = unpackNames(head.paths);
    this.words = head.words;
    this.sources = new Map(head.sources.map(source => [source.frame, source]));
    const qualnames = unpackNames(head.qualnames), frames = qualnames.length;
    this.module = Uint32Array.from(runningSum(reader.numbers(frames)));
    this.names = qualnames.map((name, i) => (this.modules[this.module[i]] ? `${this.modules[this.module[i]]}:${name}` : name));
    this.qualnames = qualnames;
    this.path = reader.numbers(frames, new Uint32Array(frames)); // 0: unknown, otherwise the index plus one
    this.line = reader.numbers(frames, new Uint32Array(frames));
    this.functions = readFunctions(head.functions, frames);
    this.tree = readTree(reader, head.nodes, this.unit);
    this.pool = frames;
  }

  home(frame) {
    return this.homes[this.module[frame]];
  }

  place(frame) {
    return this.path[frame] ? `${this.paths[this.path[frame] - 1]}:${this.line[frame]}` : "";
  }
}

function runningSum(values) {
  for (let i = 1; i < values.length; i += 1) values[i] += values[i - 1];
  return values;
}

/** What the statistics say about each function, by frame; undefined if they say nothing. */
function readFunctions(columns, frames) {
  const found = new Array(frames);
  const { frame, ...others } = columns, names = Object.keys(others);
  frame.forEach((index, row) => {
    found[index] = Object.fromEntries(names.map(name => [name, others[name][row]]));
  });
  return found;
}

function readTree(reader, nodes, unit) {
  const up = reader.numbers(nodes), frame = reader.numbers(nodes, new Int32Array(nodes));
  const base = reader.numbers(nodes), head = reader.numbers(nodes), depth = new Int32Array(nodes);
  for (let i = 0; i < nodes; i += 1) {
    if (i) depth[i] = depth[i - 1] + 1 - up[i];
    base[i] *= unit;
    head[i] *= unit;
  }
  return Tree.summed(frame, parentsOf(depth), base, head);
}
