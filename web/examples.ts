/** The pairs that come with the page; examples/data/LICENSES.md says whose they are. */
import aloeHr from "../examples/data/aloe_hr.png";
import aloeLr from "../examples/data/aloe_lr.png";
import aloeRef from "../examples/data/aloe_ref.png";
import portalHr from "../examples/data/portal_hr.png";
import portalLr from "../examples/data/portal_lr.png";
import portalRef from "../examples/data/portal_ref.png";

export interface Example {
  readonly name: string;
  readonly lr: string;
  readonly ref: string;
  /** What `lr` was made from. */
  readonly hr: string;
}

export const EXAMPLES: readonly Example[] = [
  { name: "aloe", lr: aloeLr, ref: aloeRef, hr: aloeHr },
  { name: "portal", lr: portalLr, ref: portalRef, hr: portalHr },
];
