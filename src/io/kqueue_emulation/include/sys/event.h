// kqueue(2) for Linux: the drop-in <sys/event.h> of the emulation over epoll and eventfd. Source
// written for a BSD compiles against it unchanged; names, types and values are Apple's.
//
// Supported: EVFILT_READ and EVFILT_WRITE on whatever epoll can watch, and EVFILT_USER. Every other
// filter, and every flag without a name here, is EINVAL. kevent() may be called from any thread.
//
// It differs from a real kqueue in these points:
//  - A file descriptor must be forgotten before it is closed, and a kqueue is closed by
//    kqueue_close(): see <kqueue_emulation/hooks.h>.
//  - `data` of EVFILT_READ and EVFILT_WRITE is 0, and fflags does not carry the socket's error:
//    reading SO_ERROR would take it away from the recv() that has to return it.
//  - Regular files are EPERM: epoll cannot watch them.
//  - EV_CLEAR on EVFILT_READ and EVFILT_WRITE may report an edge again when the other filter of
//    the same descriptor changes or fires. Where several threads wait on one kqueue, readiness may
//    be reported that another of them has just used up.
//
// These are macros because a BSD has macros: programs test them with #ifdef.
#pragma once

#include <cstdint>
#include <ctime>

#define EVFILT_READ (-1)
#define EVFILT_WRITE (-2)
#define EVFILT_AIO (-3)
#define EVFILT_VNODE (-4)
#define EVFILT_PROC (-5)
#define EVFILT_SIGNAL (-6)
#define EVFILT_TIMER (-7)
#define EVFILT_USER (-10)

// Actions. ONESHOT and CLEAR are fixed when an event is first added; a later EV_ADD of the same
// (ident, filter) replaces udata alone, and does not enable what EV_DISABLE disabled.
#define EV_ADD 0x0001
#define EV_DELETE 0x0002
#define EV_ENABLE 0x0004
#define EV_DISABLE 0x0008
#define EV_ONESHOT 0x0010
#define EV_CLEAR 0x0020

// Returned bits: test them with &, other flags are present too.
#define EV_ERROR 0x4000
#define EV_EOF 0x8000

// EVFILT_USER: what a change does to the stored 24 bits of fflags, and whether it triggers.
#define NOTE_TRIGGER 0x01000000U
#define NOTE_FFNOP 0x00000000U
#define NOTE_FFAND 0x40000000U
#define NOTE_FFOR 0x80000000U
#define NOTE_FFCOPY 0xc0000000U
#define NOTE_FFCTRLMASK 0xc0000000U
#define NOTE_FFLAGSMASK 0x00ffffffU

struct kevent {
    std::uintptr_t ident;
    std::int16_t filter;
    std::uint16_t flags;
    std::uint32_t fflags;
    std::intptr_t data;
    void* udata;
};

#define EV_SET(event, ident_value, filter_value, flags_value, fflags_value, data_value, \
               udata_value)                                                             \
    do {                                                                                \
        struct kevent* const ev_set_event = (event);                                    \
        ev_set_event->ident = static_cast<std::uintptr_t>(ident_value);                 \
        ev_set_event->filter = static_cast<std::int16_t>(filter_value);                 \
        ev_set_event->flags = static_cast<std::uint16_t>(flags_value);                  \
        ev_set_event->fflags = static_cast<std::uint32_t>(fflags_value);                \
        ev_set_event->data = static_cast<std::intptr_t>(data_value);                    \
        ev_set_event->udata = (udata_value);                                            \
    } while (false)

// A struct and a function of one name are the BSD interface, whatever g++ thinks of it.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wshadow"

extern "C" {

// A new queue, close-on-exec; -1 with errno (EMFILE, ENFILE, ENOMEM). As on a BSD it does not
// survive fork(): in the child its number is closed.
int kqueue();

// Applies the changes in order, then waits for at least one event; returns how many were written.
// A change that fails becomes an event with EV_ERROR and its errno in `data`; such a call returns
// at once, with errors only. Where no room is left for one the call is -1 with that errno, and the
// changes after it are not applied. event_count 0 never waits; a null timeout waits for ever, and
// no timeout ends early. EINTR may come after the changes were applied. The two arrays may be one.
int kevent(int kq, const struct kevent* changes, int change_count, struct kevent* events,
           int event_count, const struct timespec* timeout);
}

#pragma GCC diagnostic pop
