// A callback: one object, one method. Two words, no allocation, nothing captured.
#pragma once

namespace blockd::io {

template <typename Argument>
struct Callback {
    void* context = nullptr;
    void (*function)(void* context, Argument argument) = nullptr;

    explicit operator bool() const { return function != nullptr; }
    void operator()(Argument argument) const { function(context, argument); }
};

template <auto method>
struct Bound;

template <typename Object, typename Argument, void (Object::*method)(Argument)>
struct Bound<method> {
    static Callback<Argument> to(Object* object) {
        return {object, [](void* context, Argument argument) {
                    (static_cast<Object*>(context)->*method)(argument);
                }};
    }
};

// bind<&Connection::recv_done>(this). The method's argument decides the callback's type, so a
// method that takes another result does not compile.
template <auto method, typename Object>
auto bind(Object* object) {
    return Bound<method>::to(object);
}

}  // namespace blockd::io
