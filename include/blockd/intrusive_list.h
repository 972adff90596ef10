// A doubly linked list whose links live in its elements: pushing and removing allocate nothing,
// and an element can be taken out of the middle in O(1). The list owns nothing.
//
//     struct Job { ListLink<Job> link; };
//     IntrusiveList<Job, &Job::link> jobs;
#pragma once

#include <blockd/assert.h>

#include <cstddef>

namespace blockd {

template <typename T>
struct ListLink {
    T* next = nullptr;
    T* previous = nullptr;
    bool is_linked = false;  // One link serves one list at a time; a second push asserts.
};

template <typename T, ListLink<T> T::*link>
class IntrusiveList {
  public:
    IntrusiveList() = default;
    IntrusiveList(const IntrusiveList&) = delete;
    IntrusiveList& operator=(const IntrusiveList&) = delete;

    bool is_empty() const { return head_ == nullptr; }
    size_t count() const { return count_; }
    T* front() const { return head_; }
    T* back() const { return tail_; }
    static T* next(const T& element) { return (element.*link).next; }

    void push_back(T& element) {
        ASSERT(!(element.*link).is_linked);
        element.*link = {.next = nullptr, .previous = tail_, .is_linked = true};
        (tail_ == nullptr ? head_ : (tail_->*link).next) = &element;
        tail_ = &element;
        ++count_;
    }

    void push_front(T& element) {
        ASSERT(!(element.*link).is_linked);
        element.*link = {.next = head_, .previous = nullptr, .is_linked = true};
        (head_ == nullptr ? tail_ : (head_->*link).previous) = &element;
        head_ = &element;
        ++count_;
    }

    // nullptr when the list is empty.
    T* pop_front() {
        T* const element = head_;
        if (element != nullptr) remove(*element);
        return element;
    }

    void remove(T& element) {
        ListLink<T>& removed = element.*link;
        ASSERT(removed.is_linked);
        (removed.previous == nullptr ? head_ : (removed.previous->*link).next) = removed.next;
        (removed.next == nullptr ? tail_ : (removed.next->*link).previous) = removed.previous;
        removed = {};
        --count_;
    }

    // Moves every element of `source` behind this list's own, in order. O(1).
    void append(IntrusiveList& source) {
        if (source.head_ == nullptr) return;
        (tail_ == nullptr ? head_ : (tail_->*link).next) = source.head_;
        (source.head_->*link).previous = tail_;
        tail_ = source.tail_;
        count_ += source.count_;
        source.head_ = nullptr;
        source.tail_ = nullptr;
        source.count_ = 0;
    }

  private:
    T* head_ = nullptr;
    T* tail_ = nullptr;
    size_t count_ = 0;
};

}  // namespace blockd
