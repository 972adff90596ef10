// load_config(): from a file of JSON to a Config.
#include "daemon/config.h"

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <system_error>
#include <utility>
#include <variant>

namespace blockd::daemon {
namespace {

void append(Complaints& target, Complaints source) {
    target.insert(target.end(), std::make_move_iterator(source.begin()),
                  std::make_move_iterator(source.end()));
}

// The file's bytes, or why there are none.
std::variant<std::string, Complaint> read_text_file(const std::string& path) {
    std::error_code error;
    if (std::filesystem::is_directory(path, error)) {
        return Complaint{"", "", "a folder; a file of JSON is needed"};
    }
    errno = 0;
    std::ifstream stream(path, std::ios::binary);
    if (!stream) return Complaint{"", "", std::string("cannot read it: ") + std::strerror(errno)};
    std::string text(config_size_max + 1, '\0');
    stream.read(text.data(), static_cast<std::streamsize>(text.size()));
    if (stream.bad()) return Complaint{"", "", "cannot read it"};
    text.resize(static_cast<size_t>(stream.gcount()));
    if (text.size() > config_size_max) return Complaint{"", "", "at most 1 MiB long"};
    return text;
}

std::string folder_of(const std::string& path) {
    std::error_code error;
    std::filesystem::path canonical = std::filesystem::canonical(path, error);
    if (error) canonical = std::filesystem::absolute(path, error);
    return canonical.parent_path().string();
}

}  // namespace

ConfigResult check_document(const JsonDocument& document, const std::string& folder) {
    ConfigResult result;
    result.complaints = document.complaints;
    if (!document.is_complete) return result;

    ConfigResult form = read_config(document.root, folder);
    append(result.complaints, std::move(form.complaints));
    append(result.complaints, check_paths(form.config));
    result.config = std::move(form.config);
    return result;
}

ConfigResult load_config(const std::string& path) {
    const std::variant<std::string, Complaint> text = read_text_file(path);
    if (const Complaint* const complaint = std::get_if<Complaint>(&text)) {
        return {.config = {}, .complaints = {*complaint}};
    }
    return check_document(parse_json(std::get<std::string>(text)), folder_of(path));
}

}  // namespace blockd::daemon
