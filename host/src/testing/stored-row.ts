/** A row as it is stored, exact: whole numbers of 64 bits and decimals are text, timestamps ISO text with microseconds, binary is base64. */
export type StoredRow = Readonly<Record<string, unknown>>;
