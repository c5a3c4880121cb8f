import { join } from "node:path";
import { type ImportParameters, TenantKeysError } from "@tenantkeys/core";
import { IMPORT_TOKEN, WRAPPING_KEY_DER } from "./import-files.ts";

const OAEP_DIGEST: Readonly<Record<string, string>> = {
  RSAES_OAEP_SHA_1: "sha1",
  RSAES_OAEP_SHA_256: "sha256",
  RSA_AES_KEY_WRAP_SHA_1: "sha1",
  RSA_AES_KEY_WRAP_SHA_256: "sha256",
};

/**
 * What wraps material.bin with OpenSSL 3, as AWS describes it, and sends it.
 * https://docs.aws.amazon.com/kms/latest/developerguide/importing-keys-encrypt-key-material.html
 * @param send the command that sends, without its files
 */
export function wrappingCommands(
  { wrappingAlgorithm }: ImportParameters,
  directory: string,
  send: string,
): readonly string[] {
  const digest = OAEP_DIGEST[wrappingAlgorithm];
  if (digest === undefined) {
    throw new TenantKeysError("record_invalid", `no way is known to wrap with ${wrappingAlgorithm}`);
  }
  const file = (name: string) => shellWord(join(directory, name));
  const rsa = (input: string, output: string) =>
    `openssl pkeyutl -encrypt -in ${input} -out ${output} -inkey ${file(WRAPPING_KEY_DER)} -keyform DER -pubin ` +
    `-pkeyopt rsa_padding_mode:oaep -pkeyopt rsa_oaep_md:${digest} -pkeyopt rsa_mgf1_md:${digest}`;
  const wrapped = file("wrapped.bin");
  const last = `${send} --material ${wrapped} --token ${file(IMPORT_TOKEN)} --wait`;
  if (wrappingAlgorithm.startsWith("RSAES")) return [rsa("material.bin", wrapped), last];
  const [aes, aesWrapped, materialWrapped] = ["aes-key.bin", "aes-key-wrapped.bin", "material-wrapped.bin"];
  return [
    `openssl rand -out ${aes} 32`,
    // RFC 5649 with its own initial value: AES key wrap with padding.
    `openssl enc -id-aes256-wrap-pad -K "$(xxd -p -c 64 ${aes})" -iv A65959A6 -in material.bin -out ${materialWrapped}`,
    rsa(aes, aesWrapped),
    `cat ${aesWrapped} ${materialWrapped} > ${wrapped}`,
    `rm ${aes}`,
    last,
  ];
}

/** Quoted for a POSIX shell, where it has to be. */
function shellWord(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}
