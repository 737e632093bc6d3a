import { useAction, useMutation, usePaginatedQuery, useQuery } from "convex/react";
import { useState } from "react";
import { api } from "../../packages/convex/_generated/api.js";
import type { Id } from "../../packages/convex/_generated/dataModel.js";
import { failureText } from "../shared/failures.ts";

type DocumentType = "faq" | "article" | "policy" | "manual";
const formats: Readonly<Record<string, "markdown" | "text" | "html" | "pdf">> = {
  md: "markdown",
  markdown: "markdown",
  txt: "text",
  html: "html",
  htm: "html",
  pdf: "pdf",
};

/** What the bot answers from: documents in and out, and what it would find. */
export function Knowledge({ token, isAdmin }: { token: string; isAdmin: boolean }) {
  const [active, setActive] = useState(true);
  const { results, status, loadMore } = usePaginatedQuery(
    api.knowledge.listDocuments,
    { token, active },
    { initialNumItems: 25 },
  );
  const setDocumentActive = useMutation(api.knowledge.setActive);
  const remove = useMutation(api.knowledge.deleteDocument);
  const running = useQuery(api.workflows.list, { token });
  return (
    <main className="sheet" tabIndex={0} aria-label="Knowledge">
      <Add token={token} />
      <Probe token={token} />
      {running !== undefined && running.length > 0 && (
        <section>
          <h2>Under way</h2>
          <ul>
            {running.map(({ _id, key, done, total, error }) => (
              <li key={_id}>
                {key}: <progress value={done} max={total ?? Math.max(done, 1)} /> {done}
                {total === undefined ? "" : ` of ${total}`} {error !== undefined && <em>{error}</em>}
              </li>
            ))}
          </ul>
        </section>
      )}
      <section>
        <h2>Documents</h2>
        <label>
          <input type="checkbox" checked={!active} onChange={() => setActive(!active)} /> Show those that are
          switched off
        </label>
        {status === "Exhausted" && results.length === 0 && <p className="empty">There are none.</p>}
        <table className="documents">
          <thead>
            <tr>
              <th>Title</th>
              <th>Type</th>
              <th>Format</th>
              <th>Version</th>
              <th>Length</th>
              <th>
                <span className="hidden">Actions</span>
              </th>
            </tr>
          </thead>
          <tbody>
            {results.map((row) => (
              <tr key={row._id}>
                <td>{row.title}</td>
                <td>{row.type}</td>
                <td>{row.format}</td>
                <td>{row.version}</td>
                <td>{row.length.toLocaleString()}</td>
                <td>
                  <button
                    type="button"
                    onClick={() =>
                      void setDocumentActive({ token, documentId: row.documentId, active: !row.active })
                    }
                  >
                    {row.active ? "Switch off" : "Switch on"}
                  </button>
                  {isAdmin && (
                    <button
                      type="button"
                      onClick={() => {
                        if (window.confirm(`Delete “${row.title}” for good?`))
                          void remove({ token, documentId: row.documentId });
                      }}
                    >
                      Delete
                    </button>
                  )}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
        {status === "CanLoadMore" && (
          <button type="button" onClick={() => loadMore(25)}>
            More
          </button>
        )}
      </section>
    </main>
  );
}

function Add({ token }: { token: string }) {
  const ingest = useMutation(api.knowledge.ingestDocument);
  const uploadUrl = useMutation(api.knowledge.uploadUrl);
  const ingestPdf = useAction(api.knowledge.ingestPdf);
  const [type, setType] = useState<DocumentType>("article");
  const [said, setSaid] = useState<string | null>(null);
  const take = async (file: File) => {
    const extension = file.name.split(".").at(-1)?.toLowerCase() ?? "";
    const format = formats[extension];
    if (format === undefined) {
      setSaid("A document is a .md, .txt, .html or .pdf file.");
      return;
    }
    setSaid(`Reading ${file.name}…`);
    const title = file.name.replace(/\.[^.]+$/, "").replaceAll(/[-_]+/g, " ");
    const about = { token, documentId: file.name, title, type };
    try {
      let added;
      if (format === "pdf") {
        const sent = await fetch(await uploadUrl({ token }), {
          method: "POST",
          headers: { "content-type": "application/pdf" },
          body: file,
        });
        const { storageId } = (await sent.json()) as { storageId: Id<"_storage"> };
        added = await ingestPdf({ ...about, fileId: storageId });
      } else added = await ingest({ ...about, format, content: await file.text() });
      setSaid(
        `${file.name} is in, as version ${added.version}: ${added.chunks} ${added.chunks === 1 ? "passage" : "passages"}.`,
      );
    } catch (error) {
      setSaid(failureText(error));
    }
  };
  return (
    <section>
      <h2>Add a document</h2>
      <p className="row">
        <label>
          Type{" "}
          <select value={type} onChange={(event) => setType(event.target.value as DocumentType)}>
            <option value="faq">FAQ</option>
            <option value="article">Article</option>
            <option value="policy">Policy</option>
            <option value="manual">Manual</option>
          </select>
        </label>
        <label>
          File{" "}
          <input
            type="file"
            accept=".md,.markdown,.txt,.html,.htm,.pdf"
            onChange={(event) => {
              const file = event.target.files?.[0];
              if (file !== undefined) void take(file);
              event.target.value = "";
            }}
          />
        </label>
      </p>
      <p role="status">{said ?? "A file of the same name becomes a new version of its document."}</p>
    </section>
  );
}

function Probe({ token }: { token: string }) {
  const search = useAction(api.knowledge.search);
  const [question, setQuestion] = useState("");
  const [found, setFound] = useState<Awaited<ReturnType<typeof search>> | null>(null);
  const [failure, setFailure] = useState<string | null>(null);
  return (
    <section>
      <h2>What would the bot find?</h2>
      <form
        className="row"
        onSubmit={(event) => {
          event.preventDefault();
          setFailure(null);
          search({ token, question }).then(setFound, (error: unknown) => setFailure(failureText(error)));
        }}
      >
        <label className="grow">
          <span className="hidden">Question</span>
          <input
            value={question}
            required
            placeholder="A customer's question"
            onChange={(event) => setQuestion(event.target.value)}
          />
        </label>
        <button type="submit">Search</button>
      </form>
      {failure !== null && (
        <p className="failure" role="alert">
          {failure}
        </p>
      )}
      {found?.length === 0 && <p className="empty">Nothing: it would hand over to a person.</p>}
      <ol className="passages">
        {found?.map(({ documentId, title, content, score }, position) => (
          <li key={`${documentId} ${position}`}>
            <strong>{title}</strong> <span className="count">{score.toFixed(2)}</span>
            <p>{content}</p>
          </li>
        ))}
      </ol>
    </section>
  );
}
