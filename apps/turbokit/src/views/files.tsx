import { useMutation, useQuery } from "convex/react";
import { useId, useRef, useState } from "react";
import { api } from "@repo/backend/api";
import type { ProjectId } from "@repo/backend/types";
import { Icon } from "../shell/icons.tsx";
import { backendErrorOf, Failure, useAttempt, useFeedback } from "../shared/feedback.tsx";
import { Badge, bytes, Empty, Heading, Loading, When } from "../shared/parts.tsx";
import { putFile } from "../shared/uploading.ts";

/** All of one's files. */
export function Files() {
  return (
    <>
      <Heading title="Files" lead="Everything you have uploaded, in projects and outside of them." />
      <Uploader />
      <FileList />
    </>
  );
}

interface Sending {
  readonly id: number;
  readonly name: string;
  readonly size: number;
  /** From 0 to 1; null when it has failed. */
  readonly share: number | null;
  readonly failure: string | null;
  readonly cancel: () => void;
}

/** Files by choice or by dropping them, several at a time, each with its progress. */
export function Uploader({ projectId }: { projectId?: ProjectId }) {
  const generateUploadUrl = useMutation(api.uploads.generateUploadUrl);
  const syncMetadata = useMutation(api.uploads.syncMetadata);
  const summary = useQuery(api.billing.summary, {});
  const plans = useQuery(api.billing.plans, {});
  const { say, offerUpgrade } = useFeedback();
  const [sending, setSending] = useState<readonly Sending[]>([]);
  const [isOver, setOver] = useState(false);
  const nextId = useRef(1);
  const inputId = useId();
  const sizeMax = plans?.find(({ plan }) => plan === summary?.plan)?.uploadBytesMax ?? Infinity;

  const upload = async (file: File) => {
    if (file.size > sizeMax) {
      offerUpgrade({
        kind: "limit",
        text: `“${file.name}” has ${bytes(file.size)}. On your plan a file may have ${bytes(sizeMax)}.`,
      });
      return;
    }
    const id = nextId.current++;
    const stop = new AbortController();
    const change = (changes: Partial<Sending>) =>
      setSending((before) => before.map((each) => (each.id === id ? { ...each, ...changes } : each)));
    const forget = () => setSending((before) => before.filter((each) => each.id !== id));
    const cancel = () => {
      stop.abort();
      forget();
    };
    const { name, size } = file;
    setSending((before) => [...before, { id, name, size, share: 0, failure: null, cancel }]);
    try {
      const place = projectId === undefined ? {} : { projectId };
      const { key, url } = await generateUploadUrl({ name, ...place });
      await putFile(url, file, { progressed: (share) => change({ share }), signal: stop.signal });
      await syncMetadata({ key });
      forget();
      say(`“${name}” is uploaded.`);
    } catch (error) {
      const text = backendErrorOf(error)?.message ?? (error as Error).message;
      change({ share: null, failure: text });
    }
  };
  const take = (files: FileList | null) => {
    for (const file of files ?? []) void upload(file);
  };
  return (
    <div className="uploader">
      <label
        htmlFor={inputId}
        className={isOver ? "drop over" : "drop"}
        onDragOver={(event) => {
          event.preventDefault();
          setOver(true);
        }}
        onDragLeave={() => setOver(false)}
        onDrop={(event) => {
          event.preventDefault();
          setOver(false);
          take(event.dataTransfer.files);
        }}
      >
        <Icon name="upload" />
        <span>
          <strong>Choose files</strong> or drop them here
        </span>
        <input
          id={inputId}
          type="file"
          multiple
          className="hidden"
          onChange={(event) => {
            take(event.target.files);
            event.target.value = "";
          }}
        />
      </label>
      {sending.map(({ id, name, size, share, failure, cancel }) => (
        <div key={id} className="sending">
          <p>
            <strong>{name}</strong> <span className="muted">{bytes(size)}</span>
          </p>
          {failure === null ? (
            <progress value={share ?? 0} max={1} aria-label={`Upload of ${name}`} />
          ) : (
            <Failure text={failure} />
          )}
          <button type="button" className="quiet square" aria-label={`Cancel ${name}`} onClick={cancel}>
            <Icon name="close" />
          </button>
        </div>
      ))}
    </div>
  );
}

export function FileList({ projectId, canRemove = true }: { projectId?: ProjectId; canRemove?: boolean }) {
  const files = useQuery(api.uploads.list, projectId === undefined ? {} : { projectId });
  const remove = useMutation(api.uploads.remove);
  const track = useMutation(api.analytics.track);
  const { run, failure } = useAttempt();
  if (files === undefined) return <Loading rows={2} height={48} />;
  if (files.length === 0)
    return projectId === undefined ? (
      <Empty icon="file" title="No files yet" />
    ) : (
      <p className="muted">No files yet.</p>
    );
  return (
    <>
      <Failure text={failure} />
      <ul className="rows files" aria-label="Files">
        {files.map(({ _id, name, status, size, url, createdAt }) => (
          <li key={_id}>
            <Icon name="file" />
            <div>
              {url === null ? (
                <strong>{name}</strong>
              ) : (
                <a
                  href={url}
                  download={name}
                  target="_blank"
                  rel="noreferrer"
                  onClick={() => void track({ event: "file_opened" }).catch(() => {})}
                >
                  {name}
                </a>
              )}
              <p className="muted">
                {size !== undefined && `${bytes(size)} · `}
                <When at={createdAt} />
              </p>
            </div>
            {status === "pending" && <Badge tone="wait">arriving</Badge>}
            {status === "rejected" && <Badge tone="bad">too large</Badge>}
            {canRemove && (
              <button
                type="button"
                className="quiet square"
                aria-label={`Delete ${name}`}
                onClick={() => void run(() => remove({ id: _id }))}
              >
                <Icon name="trash" />
              </button>
            )}
          </li>
        ))}
      </ul>
    </>
  );
}
