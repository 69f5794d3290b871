/** Set by whoever starts this process and hands signals on by the channel between both; what this process starts is not meant. */
export const RELAYED = 'PIPELINE_HOST_RELAYED';
const isRelayed = process.env[RELAYED] !== undefined;
delete process.env[RELAYED];

/**
 * An older Node that starts this one (host/bin/pipeline-host.js) hands its signals on by the channel between both. By a
 * signal, Ctrl-C and service managers, which send it to all processes, would be heard twice, and the second ends at once.
 */
export function hearRelayedSignals(onSignal: (signal: string) => void): { readonly unhear: () => void } {
  if (!isRelayed || process.send === undefined) return { unhear: () => {} };
  const onMessage = (message: unknown): void => {
    if (typeof message === 'string') onSignal(message);
  };
  // The launcher is gone, by SIGKILL: nobody would ever stop this process.
  const onDisconnect = (): void => onSignal('SIGHUP');
  process.on('message', onMessage).on('disconnect', onDisconnect);
  process.channel?.unref();
  process.send({ hears: true });
  return {
    unhear: () => {
      process.off('message', onMessage).off('disconnect', onDisconnect);
      if (process.connected) process.send?.({ hears: false });
    },
  };
}
