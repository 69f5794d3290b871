/** Z85 (ZeroMQ RFC 32): four bytes as five characters that need no escape in JSON. */
const ALPHABET = '0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#';

/** Throws a RangeError for text that is no Z85. */
export function decodeZ85(text: string): Buffer {
  if (text.length % 5 !== 0) throw new RangeError('Z85 text comes in groups of five');
  const bytes = Buffer.alloc((text.length / 5) * 4);
  for (let group = 0; group * 5 < text.length; group += 1) {
    let value = 0;
    for (const character of text.slice(group * 5, group * 5 + 5)) {
      const digit = ALPHABET.indexOf(character);
      if (digit < 0) throw new RangeError(`Z85 has no ${JSON.stringify(character)}`);
      value = value * 85 + digit;
    }
    bytes.writeUInt32BE(value, group * 4);
  }
  return bytes;
}

/** The length of the bytes must be a multiple of four. */
export function encodeZ85(bytes: Buffer): string {
  let text = '';
  for (let at = 0; at < bytes.length; at += 4) {
    const value = bytes.readUInt32BE(at);
    for (const power of [85 ** 4, 85 ** 3, 85 ** 2, 85, 1]) text += ALPHABET.charAt(Math.floor(value / power) % 85);
  }
  return text;
}
