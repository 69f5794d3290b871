/** MurmurHash2 as the Java client computes it (`Utils.murmur2`), as a signed 32-bit number. */
export function murmur2(data: Uint8Array): number {
  const M = 0x5bd1e995;
  const { length } = data;
  const whole = length & ~3;
  let h = 0x9747b28c ^ length;
  for (let i = 0; i < whole; i += 4) {
    let k = (data[i] as number) | ((data[i + 1] as number) << 8) | ((data[i + 2] as number) << 16) | ((data[i + 3] as number) << 24);
    k = Math.imul(k, M);
    k ^= k >>> 24;
    h = Math.imul(h, M) ^ Math.imul(k, M);
  }
  const rest = length & 3;
  if (rest === 3) h ^= (data[whole + 2] as number) << 16;
  if (rest >= 2) h ^= (data[whole + 1] as number) << 8;
  if (rest >= 1) h = Math.imul(h ^ (data[whole] as number), M);
  h = Math.imul(h ^ (h >>> 13), M);
  return (h ^ (h >>> 15)) | 0;
}

/** The partition that the Java client's default partitioner gives a key. */
export function partitionOf(key: Uint8Array | string, partitions: number): number {
  return (murmur2(typeof key === 'string' ? Buffer.from(key) : key) & 0x7fffffff) % partitions;
}
