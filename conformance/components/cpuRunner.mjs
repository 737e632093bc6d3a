import { TestRunner } from "vitest";

/** Notes the processor time that its thread needs for each test, and with a file's first test what loading the file took: on a machine that does other things as well, the clock says little. */
// oxlint-disable-next-line import/no-default-export -- vitest takes a runner's default export
export default class CpuRunner extends TestRunner {
  #before;
  #loadMs = 0;

  async importFile(filepath, source) {
    const before = process.threadCpuUsage();
    try {
      return await super.importFile(filepath, source);
    } finally {
      this.#loadMs += cpuMsSince(before);
    }
  }

  onBeforeRunTask(test) {
    this.#before = process.threadCpuUsage();
    return super.onBeforeRunTask?.(test);
  }

  onAfterRunTask(test) {
    test.meta.cpuMs = cpuMsSince(this.#before);
    test.meta.loadMs = this.#loadMs;
    this.#loadMs = 0;
    return super.onAfterRunTask?.(test);
  }
}

function cpuMsSince(before) {
  const { user, system } = process.threadCpuUsage(before);
  return (user + system) / 1000;
}
