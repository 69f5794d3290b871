/** A file that can be made durable. */
export interface Flushable {
  flush(): Promise<void>;
}
