/** A pause that can be ended early. */
export class Pause {
  #end: () => void = () => {};

  /** `mayEnd`: whether a call of `end` ends it. */
  async sleep(ms: number, mayEnd: () => boolean = () => true): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, Math.min(ms, 2 ** 31 - 1));
      this.#end = () => {
        if (!mayEnd()) return;
        clearTimeout(timer);
        resolve();
      };
    });
    this.#end = () => {};
  }

  end(): void {
    this.#end();
  }
}
