// blockctl: works on the exports of any NBD server. docs/blockctl.1 is its manual.

#include <cstdio>
#include <variant>

#include "blockctl/command.h"
#include "blockctl/interrupt.h"
#include "blockctl/message.h"
#include "blockctl/options.h"

int main(int argument_count, char** arguments) {
    using namespace blockd::blockctl;

    const auto parsed = parse_options(argument_count, arguments);
    if (const auto* const text = std::get_if<OptionsText>(&parsed)) {
        if (text->status == ExitStatus::done) {
            std::fputs(text->text.c_str(), stdout);
        } else {
            complain(text->text);
        }
        return int(text->status);
    }
    end_on_interrupt();
    return int(run_command(std::get<Invocation>(parsed)));
}
