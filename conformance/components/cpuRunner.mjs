import { TestRunner } from "vitest";

/** Notes the processor time that its thread needs for each test: on a machine that does other things as well, the clock says little. */
// oxlint-disable-next-line import/no-default-export -- vitest takes a runner's default export
export default class CpuRunner extends TestRunner {
  #before;

  onBeforeRunTask(test) {
    this.#before = process.threadCpuUsage();
    return super.onBeforeRunTask?.(test);
  }

  onAfterRunTask(test) {
    const { user, system } = process.threadCpuUsage(this.#before);
    test.meta.cpuMs = (user + system) / 1000;
    return super.onAfterRunTask?.(test);
  }
}
