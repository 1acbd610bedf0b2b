// Queue of one model's calls, which run one at a time.

/** A job that waits for its turn. */
interface Job {
  readonly party: unknown;
  readonly run: () => Promise<void>;
}

/**
 * Queue of several parties' jobs. The parties take turns, and each one's jobs keep their order, so that a party waits for at most one job of
 * every other.
 */
export class FairQueue {
  /** Parties with jobs, the next one first. */
  readonly #waiting = new Map<unknown, Job[]>();
  #running = false;

  /** Adds a job, which must not reject. Returns a function that takes it out again: false once it has begun. */
  add(party: unknown, run: () => Promise<void>): () => boolean {
    const job: Job = { party, run };
    const jobs = this.#waiting.get(party);
    if (jobs) jobs.push(job);
    else this.#waiting.set(party, [job]);
    if (!this.#running) void this.#work();
    return () => this.#remove(job);
  }

  async #work(): Promise<void> {
    this.#running = true;
    for (let job = this.#take(); job; job = this.#take()) await job.run();
    this.#running = false;
  }

  #take(): Job | undefined {
    const [entry] = this.#waiting;
    if (!entry) return undefined;
    const [party, jobs] = entry;
    const job = jobs.shift();
    // The party goes behind all others for its next job.
    this.#waiting.delete(party);
    if (jobs.length > 0) this.#waiting.set(party, jobs);
    return job;
  }

  #remove(job: Job): boolean {
    const jobs = this.#waiting.get(job.party) ?? [];
    const at = jobs.indexOf(job);
    if (at < 0) return false;
    jobs.splice(at, 1);
    if (jobs.length === 0) this.#waiting.delete(job.party);
    return true;
  }
}
