/** `host:port`, an IPv6 address in brackets, a port from 1 to 65535. */
export const BROKER_PATTERN =
  '^(\\[[0-9A-Fa-f:.]+\\]|[^\\s:\\[\\]/]+):([1-9]\\d{0,3}|[1-5]\\d{4}|6[0-4]\\d{3}|65[0-4]\\d{2}|655[0-2]\\d|6553[0-5])$';

/** What the pattern wants, in words. */
export const BROKER_WORDS = 'host:port such as "kafka-1:9092" or "[::1]:9092", with a port from 1 to 65535';
