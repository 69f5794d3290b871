import { isPipelineError } from '@pipeline-host/sdk';
import {
  type CircuitBreakerPolicy,
  CircuitState,
  circuitBreaker,
  handleWhen,
  type IBackoff,
  type IBreaker,
  isBrokenCircuitError,
} from 'cockatiel';

export interface ApiBreakerOptions {
  /** Different requests that fail, with no other answer between, until the API is left alone. */
  readonly failures: number;
  /** Milliseconds. */
  readonly openFor: number;
  /** Requests that must succeed after that, before all others go. */
  readonly trials: number;
  /** What counts as a failure of the API. */
  readonly isFault: (error: unknown) => boolean;
  /** Milliseconds on the monotonic clock. */
  readonly now: () => number;
  readonly onOpen: () => void;
  readonly onClosed: () => void;
}

/**
 * Leaves an API alone that fails for request after request, with no answer between that is none of its failures. A request
 * that is sent again and again counts once: what the API cannot answer for reasons of its own must not keep others from it.
 */
export class ApiBreaker {
  readonly #options: ApiBreakerOptions;
  readonly #failed: FailedRequests;
  readonly #policy: CircuitBreakerPolicy;
  #openUntil = 0;

  constructor(options: ApiBreakerOptions) {
    this.#options = options;
    const { failures, trials, openFor, isFault, now } = options;
    this.#failed = new FailedRequests(failures);
    this.#policy = circuitBreaker(handleWhen(isFault), {
      breaker: this.#failed,
      halfOpenAfter: this.#untilTrial(),
      halfOpenSampling: { calls: trials, threshold: 0 },
    });
    this.#policy.onBreak(() => {
      this.#openUntil = now() + openFor;
      options.onOpen();
    });
    this.#policy.onReset(() => {
      this.#failed.success();
      options.onClosed();
    });
  }

  /** The library measures by the wall clock, which may be set back: it hears that all time is left, or none. */
  #untilTrial(): IBackoff<unknown> {
    const duration = (): number => (this.openFor > 0 ? Number.POSITIVE_INFINITY : Number.NEGATIVE_INFINITY);
    const wait: IBackoff<unknown> = {
      next: () => wait,
      get duration() {
        return duration();
      },
    };
    return wait;
  }

  get isOpen(): boolean {
    return this.#policy.state === CircuitState.Open;
  }

  /** Milliseconds that it stays open. */
  get openFor(): number {
    return Math.max(0, this.#openUntil - this.#options.now());
  }

  /**
   * @param request what tells it from others, where it fails
   * @throws what {@link isRefusedByBreaker} knows, where the API is left alone; else what `send` throws
   */
  async execute<T>(request: () => string, send: () => Promise<T>, signal: AbortSignal | undefined): Promise<T> {
    return await this.#policy.execute(async () => {
      try {
        return await send();
      } catch (error) {
        if (this.#options.isFault(error)) this.#failed.add(request());
        else if (isPipelineError(error) && error.httpStatus !== undefined) this.#failed.success();
        throw error;
      }
    }, signal);
  }
}

/** Whether the breaker did not let a request through. */
export function isRefusedByBreaker(error: unknown): boolean {
  return isBrokenCircuitError(error);
}

/** Opens when so many different requests have failed since the last other answer. */
class FailedRequests implements IBreaker {
  readonly #most: number;
  #requests = new Set<string>();

  constructor(most: number) {
    this.#most = most;
  }

  get state(): unknown {
    return [...this.#requests];
  }

  set state(requests: unknown) {
    this.#requests = new Set(Array.isArray(requests) ? requests : []);
  }

  add(request: string): void {
    if (this.#requests.size < this.#most) this.#requests.add(request);
  }

  success(): void {
    this.#requests.clear();
  }

  failure(): boolean {
    return this.#requests.size >= this.#most;
  }
}
