import { Argument, Command, type Option } from "commander";
import { examples } from "./command.ts";

/** A command, from the program on: its words after `chatelaine`, what may follow it, and its own options. */
interface Node {
  readonly path: string;
  readonly children: readonly Command[];
  readonly options: readonly Option[];
}

/** `chatelaine completion SHELL`: what makes a shell complete this command, generated from its own table. */
export function completionCommand(print: (script: string) => void): Command {
  const completion = new Command("completion")
    .description("Print a script for shell completion")
    .addArgument(new Argument("<shell>").choices(Object.keys(scripts)))
    .action((shell: keyof typeof scripts, _options, command: Command) => {
      print(scripts[shell](nodesOf(command.parent ?? command)));
    });
  return examples(completion, [
    "source <(chatelaine completion bash)     # in ~/.bashrc",
    "source <(chatelaine completion zsh)      # in ~/.zshrc, after compinit",
    "chatelaine completion fish > ~/.config/fish/completions/chatelaine.fish",
  ]);
}

const scripts = { bash, zsh, fish };

function nodesOf(command: Command, words: readonly string[] = []): readonly Node[] {
  const { commands: children, options } = command;
  return [
    { path: words.join(" "), children, options },
    ...children.flatMap((child) => nodesOf(child, [...words, child.name()])),
  ];
}

function longNames(options: readonly Option[]): string[] {
  return options.flatMap(({ long }) => long ?? []);
}

/** Names of the options after which a value comes. */
function valued(nodes: readonly Node[]): string[] {
  const options = nodes.flatMap((node) => node.options);
  return [...new Set(longNames(options.filter(({ required, optional }) => required || optional)))];
}

/** File names are bash's own business: it is asked for them wherever a value or an argument comes. */
function bash(nodes: readonly Node[]): string {
  const [root] = nodes;
  const everywhere = [...longNames(root?.options ?? []), "--help"];
  const nested = nodes.filter(({ path }) => path !== "").map(({ path }) => `" ${path}"`);
  const cases = nodes.map(({ path, children, options }) => {
    const names = children.map((child) => child.name()).join(" ");
    const flags = [...new Set([...longNames(options), ...everywhere])].join(" ");
    return `    "${path === "" ? "" : ` ${path}`}") verbs="${names}" flags="${flags}" ;;`;
  });
  return `_chatelaine() {
  local i path="" value="" verbs="" flags="" word="\${COMP_WORDS[COMP_CWORD]}"
  for ((i = 1; i < COMP_CWORD; i++)); do
    if [[ -n $value ]]; then value=""; continue; fi
    case "\${COMP_WORDS[i]}" in
      ${valued(nodes).join("|")}) value=yes ;;
      -*) ;;
      *) case "$path \${COMP_WORDS[i]}" in ${nested.join("|")}) path="$path \${COMP_WORDS[i]}" ;; esac ;;
    esac
  done
  COMPREPLY=()
  if [[ -n $value ]]; then return; fi
  case "$path" in
${cases.join("\n")}
  esac
  if [[ $word == -* ]]; then verbs="$flags"; fi
  COMPREPLY=($(compgen -W "$verbs" -- "$word"))
}
complete -o default -F _chatelaine chatelaine
`;
}

/** zsh runs bash's function. */
function zsh(nodes: readonly Node[]): string {
  return `autoload -Uz bashcompinit && bashcompinit\n${bash(nodes)}`;
}

function fish(nodes: readonly Node[]): string {
  const nested = nodes.filter(({ path }) => path !== "").map(({ path }) => quoted(path));
  const [root] = nodes;
  const lines = nodes.flatMap(({ path, children, options }) => [
    ...children.map((child) =>
      fishLine(path, `-f -a ${child.name()} -d ${quoted(child.description())}`),
    ),
    ...(path === "" ? [] : options).map((one) => fishLine(path, fishOption(one))),
  ]);
  return `function __chatelaine_path
  set -l path
  set -l value
  for word in (commandline -opc)[2..-1]
    if test -n "$value"
      set value
      continue
    end
    switch $word
      case ${valued(nodes).join(" ")}
        set value yes
      case '-*'
      case '*'
        if contains -- (string join ' ' $path $word) ${nested.join(" ")}
          set -a path $word
        end
    end
  end
  echo "$path"
end
${(root?.options ?? []).map((one) => `complete -c chatelaine ${fishOption(one)}`).join("\n")}
${lines.join("\n")}
`;
}

/** Offers something where a command has these words. */
function fishLine(path: string, offer: string): string {
  const where = quoted(`test "$(__chatelaine_path)" = "${path}"`);
  return `complete -c chatelaine -n ${where} ${offer}`;
}

function fishOption({ long, description, required, optional }: Option): string {
  return `-l ${long?.slice(2)} ${required || optional ? "-r " : ""}-d ${quoted(description)}`;
}

/** A word of fish, whatever it holds. */
function quoted(text: string): string {
  return `'${text.replace(/[\\']/g, "\\$&")}'`;
}
