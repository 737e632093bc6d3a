import { useMutation, useQuery } from "convex/react";
import { useState } from "react";
import { api } from "../../packages/convex/_generated/api.js";
import { failureText } from "../shared/failures.ts";

/** Who answers: people and bots, with their figures. */
export function Team({ token, isAdmin }: { token: string; isAdmin: boolean }) {
  const people = useQuery(api.agents.listAgents, { token, kind: "human" });
  const bots = useQuery(api.agents.listAgents, { token, kind: "ai" });
  return (
    <main className="sheet" tabIndex={0} aria-label="Team">
      {isAdmin && <Register token={token} />}
      {isAdmin && <NewBot token={token} />}
      <section>
        <h2>Agents</h2>
        <table className="agents">
          <thead>
            <tr>
              <th>Name</th>
              <th>State</th>
              <th>Skills</th>
              <th>Now</th>
              <th>Messages</th>
              <th>Resolved</th>
              <th>First answer</th>
              <th>Stars</th>
            </tr>
          </thead>
          <tbody>
            {[...(people ?? []), ...(bots ?? [])].map(
              ({ _id, name, kind, status, skills, load, loadMax, metrics }) => (
                <tr key={_id}>
                  <td>
                    {name} {kind === "ai" && <span className="tag">bot</span>}
                  </td>
                  <td>
                    <span className={`dot ${status}`} aria-hidden="true" /> {status}
                  </td>
                  <td>{skills.join(", ") || "–"}</td>
                  <td>{kind === "ai" ? "–" : `${load} of ${loadMax}`}</td>
                  <td>{metrics.messages}</td>
                  <td>{metrics.resolved}</td>
                  <td>{mean(metrics.firstResponseMs / 1000, metrics.firstResponses, " s")}</td>
                  <td>{mean(metrics.stars, metrics.ratings, "")}</td>
                </tr>
              ),
            )}
          </tbody>
        </table>
      </section>
    </main>
  );
}

function mean(sum: number, count: number, unit: string): string {
  return count === 0 ? "–" : `${(sum / count).toFixed(1)}${unit}`;
}

/** "laptops, billing" */
function skillsOf(text: string): string[] {
  return text.split(",").filter((skill) => skill.trim() !== "");
}

function Register({ token }: { token: string }) {
  const [email, setEmail] = useState("");
  const [asked, setAsked] = useState<string | null>(null);
  const [skills, setSkills] = useState("");
  const [said, setSaid] = useState<string | null>(null);
  const found = useQuery(api.users.getUserByEmail, asked === null ? "skip" : { token, email: asked });
  const staff = useQuery(api.users.listStaff, { token });
  const create = useMutation(api.agents.createAgent);
  return (
    <section>
      <h2>Register an agent</h2>
      <form
        className="row"
        onSubmit={(event) => {
          event.preventDefault();
          setSaid(null);
          setAsked(email);
        }}
      >
        <label>
          E-mail{" "}
          <input
            type="email"
            required
            list="staff"
            value={email}
            onChange={(event) => setEmail(event.target.value)}
          />
          <datalist id="staff">
            {staff?.map(({ _id, email: address }) => (
              <option key={_id} value={address} />
            ))}
          </datalist>
        </label>
        <label>
          Skills{" "}
          <input value={skills} placeholder="laptops, billing" onChange={(e) => setSkills(e.target.value)} />
        </label>
        <button type="submit">Find</button>
      </form>
      {asked !== null && found === null && <p>Nobody has this address. They sign up in the chat first.</p>}
      {found !== undefined && found !== null && (
        <p>
          {found.name} ({found.role}){" "}
          <button
            type="button"
            className="primary"
            onClick={() => {
              const about = { name: found.name, userId: found._id, skills: skillsOf(skills) };
              create({ token, kind: "human", ...about }).then(
                () => setSaid(`${found.name} is an agent now.`),
                (error: unknown) => setSaid(failureText(error)),
              );
            }}
          >
            Make them an agent
          </button>
        </p>
      )}
      {said !== null && <p role="status">{said}</p>}
    </section>
  );
}

/** Another bot: it gets the conversations that speak of its skills. */
function NewBot({ token }: { token: string }) {
  const create = useMutation(api.agents.createAgent);
  const [name, setName] = useState("");
  const [skills, setSkills] = useState("");
  const [instructions, setInstructions] = useState("");
  const [said, setSaid] = useState<string | null>(null);
  const register = () =>
    create({
      token,
      name,
      kind: "ai",
      skills: skillsOf(skills),
      ...(instructions.trim() === "" ? {} : { instructions }),
    }).then(
      () => {
        setSaid(`${name} answers from now on.`);
        setName("");
        setSkills("");
        setInstructions("");
      },
      (error: unknown) => setSaid(failureText(error)),
    );
  return (
    <section>
      <h2>Add a bot</h2>
      <form
        className="row"
        onSubmit={(event) => {
          event.preventDefault();
          void register();
        }}
      >
        <label>
          Name <input required value={name} onChange={(event) => setName(event.target.value)} />
        </label>
        <label>
          Knows about{" "}
          <input value={skills} placeholder="printer, scanner" onChange={(e) => setSkills(e.target.value)} />
        </label>
        <label>
          Instructions{" "}
          <input
            value={instructions}
            placeholder="You are Pia. You know printers."
            onChange={(event) => setInstructions(event.target.value)}
          />
        </label>
        <button type="submit">Add</button>
      </form>
      {said !== null && <p role="status">{said}</p>}
    </section>
  );
}
