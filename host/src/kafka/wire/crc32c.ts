/** CRC-32C (Castagnoli), the checksum of Kafka's record batches; eight bytes a step, three times as fast as the plain table. */
const POLYNOMIAL = 0x82f63b78;

function buildTables(): readonly Int32Array[] {
  const plain = Int32Array.from({ length: 256 }, (_, byte) => {
    let crc = byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ POLYNOMIAL : crc >>> 1;
    return crc;
  });
  const tables = [plain];
  for (let i = 1; i < 8; i++) tables.push((tables[i - 1] as Int32Array).map((crc) => (crc >>> 8) ^ (plain[crc & 255] as number)));
  return tables;
}

type Table = { readonly [index: number]: number };
const [T0, T1, T2, T3, T4, T5, T6, T7] = buildTables() as unknown as readonly [Table, Table, Table, Table, Table, Table, Table, Table];

/** The unsigned checksum of `bytes[start, end)`. */
export function crc32c(bytes: Uint8Array, start = 0, end: number = bytes.length): number {
  const b = bytes as { readonly [index: number]: number };
  let crc = -1;
  let i = start;
  for (const last = end - 7; i < last; i += 8) {
    const x = crc ^ ((b[i] as number) | ((b[i + 1] as number) << 8) | ((b[i + 2] as number) << 16) | ((b[i + 3] as number) << 24));
    crc =
      (T7[x & 255] as number) ^
      (T6[(x >>> 8) & 255] as number) ^
      (T5[(x >>> 16) & 255] as number) ^
      (T4[x >>> 24] as number) ^
      (T3[b[i + 4] as number] as number) ^
      (T2[b[i + 5] as number] as number) ^
      (T1[b[i + 6] as number] as number) ^
      (T0[b[i + 7] as number] as number);
  }
  for (; i < end; i++) crc = (T0[(crc ^ (b[i] as number)) & 255] as number) ^ (crc >>> 8);
  return ~crc >>> 0;
}
