import { useMutation } from "convex/react";
import { useState } from "react";
import { api } from "@repo/backend/api";
import { limits } from "@repo/backend/limits";
import type { Project, ProjectStatus } from "@repo/backend/types";
import { Dialog } from "../shared/dialog.tsx";
import { Failure, useAttempt, useFeedback } from "../shared/feedback.tsx";
import { navigate } from "../shell/router.ts";

export const statuses: readonly { readonly status: ProjectStatus; readonly name: string }[] = [
  { status: "draft", name: "Draft" },
  { status: "active", name: "Active" },
  { status: "archived", name: "Archived" },
];

/** Makes a project, or changes one. */
export function ProjectForm({ project, close }: { project: Project | null; close: () => void }) {
  const create = useMutation(api.projects.create);
  const update = useMutation(api.projects.update);
  const remove = useMutation(api.projects.remove);
  const restore = useMutation(api.projects.restore);
  const { run, failure, isBusy } = useAttempt();
  const { say } = useFeedback();
  const [name, setName] = useState(project?.name ?? "");
  const [description, setDescription] = useState(project?.description ?? "");
  const [status, setStatus] = useState<ProjectStatus>(project?.status ?? "draft");
  const [settings, setSettings] = useState(project?.settings ?? { isPublic: false, allowComments: true });
  const save = async () => {
    const fields = { name: name.trim(), description: description.trim(), status, settings };
    if (project === null) navigate(`/projects/${await create(fields)}`);
    else await update({ id: project._id, ...fields });
    say(project === null ? `“${fields.name}” is on your board.` : "Saved.");
    close();
  };
  return (
    <Dialog title={project === null ? "New project" : "Project settings"} close={close}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          void run(save);
        }}
      >
        <label>
          Name
          <input
            value={name}
            required
            maxLength={limits.nameCharsMax}
            onChange={(event) => setName(event.target.value)}
          />
        </label>
        <label>
          <span>
            Description <span className="optional">optional</span>
          </span>
          <textarea
            rows={4}
            value={description}
            maxLength={limits.descriptionCharsMax}
            onChange={(event) => setDescription(event.target.value)}
          />
        </label>
        <fieldset className="segments">
          <legend>Status</legend>
          <div>
            {statuses.map((each) => (
              <label key={each.status}>
                <input
                  type="radio"
                  name="status"
                  className="hidden"
                  checked={status === each.status}
                  onChange={() => setStatus(each.status)}
                />
                <span>{each.name}</span>
              </label>
            ))}
          </div>
        </fieldset>
        <label className="check">
          <input
            type="checkbox"
            checked={settings.isPublic}
            onChange={(event) => setSettings({ ...settings, isPublic: event.target.checked })}
          />
          Everybody who is signed in may see it
        </label>
        <label className="check">
          <input
            type="checkbox"
            checked={settings.allowComments}
            onChange={(event) => setSettings({ ...settings, allowComments: event.target.checked })}
          />
          Others may comment
        </label>
        <Failure text={failure} />
        <div className="actions">
          <button type="submit" className="primary" disabled={isBusy || name.trim() === ""}>
            {project === null ? "Create" : "Save"}
          </button>
          <button type="button" className="quiet" onClick={close}>
            Cancel
          </button>
          {project !== null && (
            <button
              type="button"
              className="quiet danger"
              disabled={isBusy}
              onClick={() =>
                void run(async () => {
                  await remove({ id: project._id });
                  navigate("/");
                  say(`“${project.name}” is deleted.`, () => restore({ id: project._id }));
                })
              }
            >
              Delete
            </button>
          )}
        </div>
      </form>
    </Dialog>
  );
}
