import { Brand } from "./brand.tsx";
import { Skeleton } from "./skeleton.tsx";

/** The outlines of the signed-in page, before there is anything in it. */
export function ShellOutline() {
  return (
    <div className="shell shell-outline shows-list" aria-hidden="true">
      <div className="sidebar">
        <div className="sidebar-head">
          <Brand />
        </div>
        <div className="sidebar-scroll">
          <Skeleton rows={6} />
        </div>
      </div>
      <div className="pane" />
    </div>
  );
}
