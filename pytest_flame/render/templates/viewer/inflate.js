// Raw deflate (RFC 1951), for browsers that have no DecompressionStream.
const LENGTHS = [3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258];
const LENGTH_BITS = [0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0];
const DISTANCES = [1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193, 257, 385, 513, 769, 1025, 1537, 2049, 3073, 4097, 6145, 8193, 12289, 16385, 24577];
const CODE_ORDER = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];

/** Canonical Huffman code: the number of codes of each length, and the symbols in the order of their codes. */
function huffman(lengths) {
  const counts = new Uint16Array(16), starts = new Uint16Array(16), symbols = new Uint16Array(lengths.length);
  for (const length of lengths) counts[length] += 1;
  counts[0] = 0;
  for (let i = 1; i < 16; i += 1) starts[i] = starts[i - 1] + counts[i - 1];
  lengths.forEach((length, symbol) => { if (length) symbols[starts[length]++] = symbol; });
  return { counts, symbols };
}

function inflateRaw(input, size) {
  const output = new Uint8Array(size);
  let at = 0, buffer = 0, have = 0, end = 0;
  const bits = count => {
    while (have < count) {
      if (at >= input.length) throw new Error("the data of this graph end too early");
      buffer |= input[at++] << have;
      have += 8;
    }
    const value = buffer & ((1 << count) - 1);
    buffer >>>= count;
    have -= count;
    return value;
  };
  const symbol = ({ counts, symbols }) => {
    let code = 0, first = 0, index = 0;
    for (let length = 1; length < 16; length += 1) {
      code |= bits(1);
      if (code - first < counts[length]) return symbols[index + code - first];
      index += counts[length];
      first = (first + counts[length]) << 1;
      code <<= 1;
    }
    throw new Error("the data of this graph are damaged");
  };
  const codes = () => {
    const literals = bits(5) + 257, distances = bits(5) + 1, count = bits(4) + 4;
    const order = new Uint8Array(19);
    for (let i = 0; i < count; i += 1) order[CODE_ORDER[i]] = bits(3);
    const meta = huffman([...order]), lengths = [];
    while (lengths.length < literals + distances) {
      const found = symbol(meta);
      if (found < 16) lengths.push(found);
      else {
        const value = found === 16 ? lengths[lengths.length - 1] : 0;
        let repeat = found === 16 ? bits(2) + 3 : found === 17 ? bits(3) + 3 : bits(7) + 11;
        while (repeat-- > 0) lengths.push(value);
      }
    }
    return [huffman(lengths.slice(0, literals)), huffman(lengths.slice(literals))];
  };
  for (let last = 0; !last;) {
    last = bits(1);
    const type = bits(2);
    if (type === 0) {
      buffer = have = 0;
      const length = input[at] | (input[at + 1] << 8);
      at += 4;
      output.set(input.subarray(at, at + length), end);
      at += length;
      end += length;
      continue;
    }
    const fixed = () => [
      huffman(Array.from({ length: 288 }, (_, i) => (i < 144 ? 8 : i < 256 ? 9 : i < 280 ? 7 : 8))),
      huffman(Array(30).fill(5)),
    ];
    const [literal, distance] = type === 1 ? fixed() : codes();
    for (let found = symbol(literal); found !== 256; found = symbol(literal)) {
      if (found < 256) output[end++] = found;
      else {
        let length = LENGTHS[found - 257] + bits(LENGTH_BITS[found - 257]);
        const far = symbol(distance), back = DISTANCES[far] + bits(far < 2 ? 0 : (far >> 1) - 1);
        for (; length > 0; length -= 1, end += 1) output[end] = output[end - back];
      }
    }
  }
  return output;
}
