// The run that is shown: its state, its model, its trace; and questions about it.

import { AskError } from "./ask.js";
import { busy } from "./status.js";

/** @typedef {import("./ask.js").Message} Message */
/** @typedef {import("./ask.js").Transport} Transport */
/** @typedef {import("./state.js").State} State */

export class Run {
  /**
   * @param {Transport} transport
   * @param {State} state
   */
  constructor(transport, state) {
    this.transport = transport;
    this.state = state;
    /** @type {Message} what the question "model" answers */
    this.model = {};
    /** @type {Message} what the question "trace" answers */
    this.trace = {};
    /** @type {Message} the same run without the changes; `trace` itself if there are none */
    this.clean = {};
    this.promptLength = 0;
    this.key = "";
    /** @type {Map<string, Promise<Message>>} answers about this trace */
    this.answers = new Map();
  }

  /** The position that is looked at. */
  get position() {
    const last = this.trace.ids.length - 1;
    const { position } = this.state;
    return Number.isInteger(position) && position >= 0 && position < last ? position : last;
  }

  /** The block that is looked at. */
  get layer() {
    return Math.min(Math.max(this.state.layer, 0), this.model.config.n_layer - 1);
  }

  /** The head that is looked at. */
  get head() {
    return Math.min(Math.max(this.state.head, 0), this.model.config.n_head - 1);
  }

  /**
   * Ask Python, with a progress bar while it thinks.
   * @param {Message} request
   */
  question(request) {
    return this.transport(request, busy);
  }

  /** Ask what model it is, once. */
  async open() {
    if (!this.model.config) this.model = await this.question({ ask: "model" });
  }

  /** What the numbers of the state must be less than. */
  get ends() {
    const { n_layer, n_head, vocab_size } = this.model.config;
    return { layer: n_layer, head: n_head, token: vocab_size, position: this.trace.ids.length };
  }

  /**
   * Trace the prompt and the tokens after it, unless that is done.
   * @param {() => boolean} isCurrent
   */
  async read(isCurrent) {
    const { prompt, added, engine, precision, change } = this.state;
    const key = JSON.stringify([prompt, added, engine, precision, change]);
    if (key === this.key || !isCurrent()) return;
    const asked = await this.traceRequest();
    const clean = await this.question({ ...asked, change: [] });
    const trace = change.length ? await this.question(asked) : clean;
    if (!isCurrent()) return;
    this.answers.clear();
    Object.assign(this, { key, trace, clean, promptLength: trace.ids.length - added.length });
  }

  /** Return the question that traces what the state says. */
  async traceRequest() {
    const { prompt, added, engine, precision, change } = this.state;
    const common = { ask: "trace", engine, precision, change };
    if (!added.length) return { ...common, prompt };
    const { ids } = await this.question({ ask: "trace", prompt, engine, precision, change: [] });
    return { ...common, ids: [...ids, ...added] };
  }

  /**
   * Ask about the trace. The same question is asked once.
   * @param {Message} request
   * @returns {Promise<Message>}
   */
  ask(request) {
    const key = JSON.stringify(request);
    const known = this.answers.get(key);
    if (known) return known;
    const answer = this.askAnew(request);
    this.answers.set(key, answer);
    answer.catch(() => this.answers.delete(key));
    return answer;
  }

  /**
   * Ask about the trace, and trace again if it is not kept any more.
   * @param {Message} request
   */
  async askAnew(request) {
    const which = request.clean ? "clean" : "trace";
    const { clean, ...asked } = request;
    try {
      return await this.question({ ...asked, trace: this[which].trace });
    } catch (error) {
      if (!(error instanceof AskError) || !error.gone) throw error;
      const again = await this.traceRequest();
      this[which] = await this.question(clean ? { ...again, change: [] } : again);
      return this.question({ ...asked, trace: this[which].trace });
    }
  }

  /**
   * Return the rows of the next token after a position, with the settings of the state.
   * @param {Message} [more]
   */
  next(more = {}) {
    const { temperature, top_k, top_p, seed } = this.state;
    const position = more.position ?? this.position;
    const draw = Math.max(0, position - this.promptLength + 1);
    return this.ask({ ask: "next", position, temperature, top_k, top_p, seed, draw, ...more });
  }
}
