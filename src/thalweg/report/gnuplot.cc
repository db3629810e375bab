#include "thalweg/report/gnuplot.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <sstream>
#include <system_error>

#include "thalweg/core/error.h"
#include "thalweg/core/interrupts.h"
#include "thalweg/io/atomic_file.h"
#include "thalweg/report/plain_text.h"

extern char** environ;

namespace thalweg {
namespace {

namespace fs = std::filesystem;

/// A folder of its own under the system's folder for temporary files, removed at the end.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::error_code error;
    const fs::path parent = fs::temp_directory_path(error);
    std::string name = (parent / "thalweg-plot-XXXXXX").string();
    if (error || ::mkdtemp(name.data()) == nullptr) {
      fail<DataError>("plots: cannot make a temporary folder {}: {}; set TMPDIR to a writable one",
                      name, error ? error.message() : std::strerror(errno));
    }
    path_ = name;
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

/// Empty if there is none.
std::string find_gnuplot() {
  const char* path = std::getenv("PATH");
  if (path == nullptr) return "";
  std::istringstream folders(path);
  for (std::string folder; std::getline(folders, folder, ':');) {
    if (!folder.starts_with('/')) continue;
    std::string program = folder + "/gnuplot";
    std::error_code ignored;
    if (fs::is_regular_file(program, ignored) && ::access(program.c_str(), X_OK) == 0) {
      return program;
    }
  }
  return "";
}

std::string read_file(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

/// Runs `program -d script`; returns the exit status, or -1 if a signal ended it.
int run(const std::string& program, const fs::path& script, const fs::path& messages) {
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
  posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, messages.c_str(),
                                   O_WRONLY | O_CREAT | O_TRUNC, 0600);
  // A group of its own: a Ctrl-C that asks the caller to finish must not kill the drawing.
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);

  std::string name = "gnuplot";
  std::string option = "-d";
  std::string file = script.string();
  char* arguments[] = {name.data(), option.data(), file.data(), nullptr};
  pid_t process = 0;
  const int error =
      ::posix_spawn(&process, program.c_str(), &actions, &attributes, arguments, environ);
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  if (error != 0) {
    fail<DataError>("plots: cannot start {}: {}; reinstall Debian's package gnuplot-nox", program,
                    std::strerror(error));
  }
  int status = 0;
  while (::waitpid(process, &status, 0) < 0) {
    if (errno != EINTR) return -1;
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/// The last line with text; gnuplot's own complaint stands there.
std::string last_line(const std::string& text) {
  std::istringstream lines(text);
  std::string last = "it said nothing";
  for (std::string line; std::getline(lines, line);) {
    if (line.find_first_not_of(" \t^") != std::string::npos) last = line;
  }
  return clean_text(last.substr(last.find_first_not_of(" \t")));
}

/// gnuplot's SVG takes the weight for a part of the family's name, and names itself as the title.
std::string mend_svg(std::string svg) {
  const auto replace_all = [&svg](std::string_view from, std::string_view to) {
    for (std::size_t at = 0; (at = svg.find(from, at)) != std::string::npos; at += to.size()) {
      svg.replace(at, from.size(), to);
    }
  };
  replace_all("font-family=\"sans-serif:Bold\"", "font-family=\"sans-serif\" font-weight=\"bold\"");
  replace_all("<title>Gnuplot</title>\n", "");
  return svg;
}

fs::path with_suffix(fs::path stem, const char* suffix) { return stem += suffix; }

}  // namespace

bool plotting_available() { return !find_gnuplot().empty(); }

std::string gnuplot_quoted(std::string_view text) {
  std::string quoted = "'";
  for (const char c : clean_text(text)) {
    quoted += c;
    if (c == '\'') quoted += c;
  }
  return quoted + "'";
}

void run_gnuplot(std::string_view data, std::string_view commands, int width, int height,
                 int font_size, const fs::path& stem) {
  check_interrupted();
  const std::string program = find_gnuplot();
  if (program.empty()) {
    fail<DataError>(
        "plots: there is no program gnuplot on the PATH to draw {}; install Debian's package "
        "gnuplot-nox",
        stem.string());
  }
  const TemporaryFolder folder;
  const fs::path script = folder.path() / "script";
  const fs::path messages = folder.path() / "messages";
  const fs::path png = folder.path() / "plot.png";
  const fs::path svg = folder.path() / "plot.svg";
  {
    // The PNG terminal counts text in points at 96 dots an inch, the SVG terminal in units.
    std::ofstream out(script, std::ios::binary);
    out << "set encoding utf8\n"
        << data
        << fmt::format(
               "set terminal pngcairo noenhanced size {},{} fontscale 2 linewidth 2 pointscale 2 "
               "font 'sans-serif,{}' background rgb 'white'\ntext_unit = 0.75\nset output {}\n",
               2 * width, 2 * height, 0.75 * font_size, gnuplot_quoted(png.string()))
        << commands
        << fmt::format(
               "unset output\nreset\nset terminal svg noenhanced standalone size {},{} font "
               "'sans-serif,{}' background rgb 'white'\ntext_unit = 1\nset output {}\n",
               width, height, font_size, gnuplot_quoted(svg.string()))
        << commands << "unset output\n";
    out.close();
    if (!out) {
      fail<DataError>("plots: cannot write {}; is the disk full?", script.string());
    }
  }
  const int status = run(program, script, messages);
  const std::string png_bytes = read_file(png);
  const std::string svg_bytes = read_file(svg);
  if (status != 0 || png_bytes.empty() || svg_bytes.empty()) {
    fail<DataError>(
        "plots: {} failed to draw {}: {}; expected gnuplot 5.4 or newer with the terminals "
        "pngcairo and svg, as in Debian's package gnuplot-nox",
        program, stem.string(), last_line(read_file(messages)));
  }
  write_file_atomically(with_suffix(stem, ".png"), png_bytes);
  write_file_atomically(with_suffix(stem, ".svg"), mend_svg(svg_bytes));
}

}  // namespace thalweg
