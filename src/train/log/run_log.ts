/** The figures of a run, to `metrics.jsonl` and to TensorBoard's event files alike. */
import { join } from "node:path";
import type { Scores } from "../../evaluate/scores.js";
import type { StepEvent } from "../run.js";
import type { Sheet } from "../validate.js";
import { MetricsLog } from "./metrics.js";
import { TensorBoardLog } from "./tensorboard.js";

/** Its name in the run's folder. */
export const METRICS = "metrics.jsonl";

export class RunLog {
  private constructor(
    readonly metrics: MetricsLog,
    readonly board: TensorBoardLog,
  ) {}

  /** For a new run, or for one that goes on from `step`. Throws `OutputError`. */
  static async open(out: string, step?: number): Promise<RunLog> {
    const folder = join(out, "tensorboard");
    const metrics = await MetricsLog.open(join(out, METRICS), step);
    try {
      return new RunLog(metrics, await TensorBoardLog.open(folder, step));
    } catch (error) {
      metrics.close();
      throw error;
    }
  }

  step({ step, epoch, losses, lr, gradientNorm, skipped, imagesPerSecond, gpuBytes }: StepEvent): void {
    const figures = { lr, gradientNorm, imagesPerSecond, gpuBytes };
    this.metrics.write({ step, epoch, ...losses, ...figures, ...(skipped !== undefined && { skipped }) });
    const named = Object.entries(losses).map(([name, loss]): [string, number] => [`loss/${name}`, loss]);
    const rest = Object.entries(figures).map(([name, value]): [string, number] => [`train/${name}`, value]);
    this.board.scalars(step, Object.fromEntries([...named, ...rest]));
  }

  /** Every score; not the time, which would make two equal runs write different files. */
  validation(step: number, { milliseconds: _, ...scores }: Scores, sheet: Sheet | undefined): void {
    this.metrics.write({ step, ...scores });
    const named = Object.entries(scores).map(([name, score]) => [`validation/${name}`, score]);
    this.board.scalars(step, Object.fromEntries(named) as Record<string, number>);
    if (sheet) this.board.image(step, "samples", sheet.png, sheet.width, sheet.height);
  }

  /** Returns when everything would survive a power cut: before each checkpoint. */
  flush(): void {
    this.metrics.flush();
    this.board.flush();
  }

  close(): void {
    this.metrics.close();
    this.board.close();
  }
}
